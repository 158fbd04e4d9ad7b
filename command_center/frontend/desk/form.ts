// placeholder
export async function startForm(): Promise<void> {}
