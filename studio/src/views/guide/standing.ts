/** What a team has, in a sentence. */
import type { WireInboxCounts } from '../../../../src/server/routes/inbox-wire.ts'
import { count } from '../../format.ts'

type Counted = 'thumbs_up' | 'thumbs_down' | 'corrections' | 'choices'

const words: readonly (readonly [key: Counted, one: string, many: string])[] = [
  ['thumbs_up', 'thumb up', 'thumbs up'], ['thumbs_down', 'thumb down', 'thumbs down'], ['corrections', 'correction', 'corrections'],
  ['choices', 'choice between two answers', 'choices between two answers'],
]

/** "You have 56 thumbs up, 64 thumbs down and 30 corrections on 260 answers." */
export function havingText(counts: Pick<WireInboxCounts, Counted | 'completions'>): string {
  const size = ({ count: number, exact }: WireInboxCounts['completions']): string => `${exact ? '' : 'more than '}${count(number)}`
  const parts = words.flatMap(([key, one, many]) => (counts[key].count === 0 ? [] : [`${size(counts[key])} ${counts[key].count === 1 ? one : many}`]))
  const answers = `${size(counts.completions)} ${counts.completions.count === 1 ? 'answer' : 'answers'}`
  if (counts.completions.count === 0) return 'No answer is stored yet.'
  if (parts.length === 0) return `${capital(answers)} ${counts.completions.count === 1 ? 'is' : 'are'} stored, and nobody has judged any yet.`
  return `You have ${listed(parts)} on ${answers}.`
}

/** "2 jobs have ended well: SFT, DPO." @param methods of runs that succeeded, the oldest first */
export function trainedText(methods: readonly string[]): string {
  if (methods.length === 0) return 'Nothing was trained yet.'
  const names = [...new Set(methods)].map((method) => method.toUpperCase())
  return `Trained so far: ${listed(names)}.`
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)!}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
