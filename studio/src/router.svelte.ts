/** Where the Studio is: `#/runs/ftjob-1?overlay=ftjob-2`. The address holds all of it, so a reload comes back to the same place. */

export interface Place {
  /** The view's name, '' for the first. */
  readonly view: string
  /** What follows it: `['ftjob-1']`. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
}

function read(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [view = '', ...rest] = path.split('/').map(decoded)
  return { view, path: rest, query: new URLSearchParams(query) }
}

/** An address that was typed may hold what is no encoding. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

let current = $state.raw(read(location.hash))
window.addEventListener('hashchange', () => { current = read(location.hash) })

export const place = {
  get view(): string { return current.view },
  get path(): readonly string[] { return current.path },
  get query(): URLSearchParams { return current.query },
}

type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** The address of a place, for an `<a href>`: `hrefTo('runs', [id], { overlay: other })`; keys that are undefined are left out. */
export function hrefTo(view: string, path: readonly string[] = [], query: Query = {}): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    for (const each of typeof value === 'string' ? [value] : value ?? []) params.append(key, each)
  }
  const search = params.size === 0 ? '' : `?${params.toString()}`
  return `#/${[view, ...path].map(encodeURIComponent).join('/')}${search}`
}

/** Goes to an address of `hrefTo`. @param replace the way back leads past the place that is left: for filters and other small steps */
export function go(href: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (replace) location.replace(href)
  else location.assign(href)
}
