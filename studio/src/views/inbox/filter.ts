/** What the address says of the inbox, as the API's filter and in words. */
import type { WireInboxFilter, WireSource } from '../../../../src/server/routes/inbox-wire.ts'

/** The keys of the address that filter; `completion` beside them says which answer is open. */
const keys = ['q', 'said', 'alias', 'adapter', 'model', 'tag', 'source', 'user', 'from', 'to'] as const
export type FilterKey = (typeof keys)[number]

/** The base as a value of `adapter`: no adapter's id has a space. */
export const theBase = 'the base'

interface Said {
  readonly value: string
  readonly text: string
  readonly filter: WireInboxFilter
}

/** What was said, as a choice of one. */
export const saidChoices: readonly Said[] = [
  { value: 'nothing', text: 'not judged', filter: { unlabelled: true } },
  { value: 'anything', text: 'judged in some way', filter: { unlabelled: false } },
  { value: 'up', text: 'thumbs up', filter: { feedback: { name: 'thumbs', value: true } } },
  { value: 'down', text: 'thumbs down', filter: { feedback: { name: 'thumbs', value: false } } },
  { value: 'correction', text: 'corrected', filter: { feedback: { name: 'correction' } } },
  { value: 'choice', text: 'compared with another', filter: { feedback: { name: 'choice' } } },
  { value: 'comment', text: 'commented', filter: { has_comment: true } },
  { value: 'rating', text: 'rated', filter: { feedback: { name: 'rating' } } },
  { value: 'high', text: 'rated 4 and more', filter: { feedback: { name: 'rating', min: 4 } } },
  { value: 'low', text: 'rated 2 and less', filter: { feedback: { name: 'rating', max: 2 } } },
]

/** Names of feedback that the choices above speak of already. */
export const knownNames: readonly string[] = ['thumbs', 'rating', 'comment', 'correction', 'choice']

export const sourceWords: Readonly<Record<WireSource, string>> = {
  server: 'answered here', logged: 'logged by another provider\'s app', imported: 'imported',
}

/** The API's filter. What an address that was typed has wrong is for the API to say. */
export function filterOf(query: URLSearchParams): WireInboxFilter {
  const value = (key: FilterKey): string | undefined => query.get(key) ?? undefined
  const [said, adapter, from, to] = [value('said'), value('adapter'), value('from'), value('to')]
  const tags = query.getAll('tag').map(tagOf)
  const plain = { text: value('q'), alias: value('alias'), model: value('model'), user: value('user'), source: value('source') as WireSource | undefined }
  return {
    ...Object.fromEntries(Object.entries(plain).filter(([, each]) => each !== undefined && each !== '')),
    ...(adapter !== undefined && { adapter: adapter === theBase ? null : adapter }),
    ...(tags.length > 0 && { tags: Object.fromEntries(tags) }),
    ...(said !== undefined && (saidChoices.find((choice) => choice.value === said)?.filter ?? { feedback: { name: said } })),
    ...(from !== undefined && { from: midnight(from, 0) }),
    ...(to !== undefined && { to: midnight(to, 1) }),
  }
}

/** `key=value`; a value may hold further signs. */
export function tagOf(text: string): [key: string, value: string] {
  const at = text.indexOf('=')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/** Seconds since 1970 where a day begins here; the text itself where it is no date. @param later days after it */
function midnight(date: string, later: number): number | string {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date) ?? []
  if (day === undefined) return date
  return Math.floor(new Date(Number(year), Number(month) - 1, Number(day) + later).getTime() / 1000)
}

export interface Chip {
  readonly key: FilterKey
  readonly value: string
  readonly text: string
}

/** The filters of an address, in words. */
export function chipsOf(query: URLSearchParams): Chip[] {
  return keys.flatMap((key) => query.getAll(key).filter((value) => value !== '').map((value) => ({ key, value, text: wordsOf(key, value) })))
}

function wordsOf(key: FilterKey, value: string): string {
  switch (key) {
    case 'q': return `has “${value}”`
    case 'said': return saidChoices.find((choice) => choice.value === value)?.text ?? `has ${value}`
    case 'adapter': return value === theBase ? 'by the base' : `adapter ${value}`
    case 'source': return sourceWords[value as WireSource] ?? value
    case 'tag': return tagOf(value).join(': ')
    case 'from': return `since ${value}`
    case 'to': return `until ${value}`
    default: return `${key} ${value}`
  }
}

export type Query = Readonly<Record<string, readonly string[]>>

/** The address's query with some keys changed; an empty list takes a key away. */
export function changed(query: URLSearchParams, changes: Query): Query {
  const now = Object.fromEntries([...new Set(query.keys())].map((key) => [key, query.getAll(key)]))
  return Object.fromEntries(Object.entries({ ...now, ...changes }).map(([key, values]) => [key, values.filter((value) => value !== '')]))
}

/** The query without a chip's filter, whatever else it has. */
export function without(query: URLSearchParams, { key, value }: Chip): Query {
  return changed(query, { [key]: query.getAll(key).filter((each) => each !== value) })
}

/** The query without any filter. */
export function unfiltered(query: URLSearchParams): Query {
  return changed(query, Object.fromEntries(keys.map((key) => [key, []])))
}
