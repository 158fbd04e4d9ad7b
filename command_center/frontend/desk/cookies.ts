// Preferences live in cookies, so that the server draws the page as it will stay.
const YEAR = 365 * 24 * 3600;

/** Keep a value under a name for a year; an empty value forgets it. */
export function keep(name: string, value: string): void {
  document.cookie = `${name}=${encodeURIComponent(value)};path=/;max-age=${value ? YEAR : 0};samesite=lax`;
}
