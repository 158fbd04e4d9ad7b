// The address of a screen: which feature is open, and the query that filters map and list alike.

/** A feature by layer and id. */
export interface Open {
  key: string;
  id: string;
}

/** What the address says. */
export interface Place {
  open: Open | null;
  query: URLSearchParams;
}

const FEATURE = /^\/desk\/([a-z0-9_-]+)\/([0-9a-f-]{36})$/;

/** "layer/id" as a feature, or null. */
export function parseOpen(text: string | null | undefined): Open | null {
  const [key, id] = (text ?? "").split("/");
  return key && id ? { key, id } : null;
}

/** Read the address of a page that shows one layer, or all of them where `page` is empty. */
export function read(url: URL): Place {
  const query = new URLSearchParams(url.search);
  const match = FEATURE.exec(url.pathname);
  const open = match ? { key: match[1]!, id: match[2]! } : parseOpen(query.get("open"));
  query.delete("open");
  return { open, query };
}

/** The address of a state; a feature of the page's own layer stands in the path. */
export function write(page: string, place: Place): string {
  const query = new URLSearchParams(place.query);
  let path = page ? `/desk/${page}` : "/desk";
  if (place.open && place.open.key === page) path += `/${place.open.id}`;
  else if (place.open) query.set("open", `${place.open.key}/${place.open.id}`);
  const text = query.toString();
  return path + (text ? `?${text}` : "") + location.hash;
}

/** The part of a query that decides which rows are shown: no paging, no order. */
export function filtersOf(query: URLSearchParams): URLSearchParams {
  const filters = new URLSearchParams(query);
  for (const name of ["page", "size", "sort", "lang", "on", "view", "surface"]) filters.delete(name);
  return filters;
}
