/** What the address says of the data view: `#/data/dataset/support/3?tab=rows&from=100`. */

/** What is looked at. */
export type Source =
  | { readonly type: 'dataset'; readonly name: string; /** undefined: the latest. */ readonly version: number | undefined }
  | { readonly type: 'file'; readonly id: string }

export const tabs = ['rows', 'statistics', 'dropped'] as const
export type Tab = (typeof tabs)[number]

export function sourceOf([type, name, version]: readonly string[]): Source | undefined {
  if (name === undefined) return undefined
  if (type === 'file') return { type, id: name }
  if (type !== 'dataset') return undefined
  return { type, name, version: version !== undefined && /^\d{1,9}$/.test(version) ? Number(version) : undefined }
}

export function tabOf(query: URLSearchParams): Tab {
  return tabs.find((tab) => tab === query.get('tab')) ?? 'rows'
}

/** The recipe's default. */
export const defaultMaxLength = 1024

/** What of the rows is shown. */
export interface RowPlace {
  readonly from: number | undefined
  readonly before: number | undefined
  readonly split: 'train' | 'eval' | undefined
  readonly search: string | undefined
  readonly maxLength: number
}

export function rowPlaceOf(query: URLSearchParams): RowPlace {
  const split = query.get('split')
  return {
    from: wholeNumber(query.get('from')),
    before: wholeNumber(query.get('before')),
    split: split === 'train' || split === 'eval' ? split : undefined,
    search: query.get('search') ?? undefined,
    maxLength: Math.max(2, wholeNumber(query.get('max')) ?? defaultMaxLength),
  }
}

/** What `hrefTo` makes of it. */
export function queryOf(tab: Tab, { from, before, split, search, maxLength }: RowPlace): Record<string, string | undefined> {
  return {
    tab: tab === 'rows' ? undefined : tab,
    from: from === undefined || from === 0 ? undefined : String(from),
    before: before === undefined ? undefined : String(before),
    split,
    search: search === '' ? undefined : search,
    max: maxLength === defaultMaxLength ? undefined : String(maxLength),
  }
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
