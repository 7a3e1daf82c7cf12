/** The worker side of TimedWorker: what other people's patterns are run in. */
import { serve } from '../../runtime/worker.ts'
import { type CreditRequest, JsonCredit } from './json-credit.ts'

export interface MatchRequest {
  readonly pattern: string
  readonly flags: string
  readonly text: string
}

let expression: { readonly source: string; readonly regex: RegExp } | undefined
let credit: { readonly schema: string; readonly judge: JsonCredit } | undefined

serve({
  start: () => undefined,

  /** The first match: its first group, or all of it where the pattern has no group; null where nothing matches. */
  match({ pattern, flags, text }: MatchRequest): string | null {
    const source = `/${pattern}/${flags}`
    if (expression?.source !== source) expression = { source, regex: new RegExp(pattern, flags) }
    const match = expression.regex.exec(text)
    return match === null ? null : (match[1] ?? match[0])
  },

  credit({ schema, text, partial }: CreditRequest): number {
    if (credit?.schema !== schema) credit = { schema, judge: new JsonCredit(JSON.parse(schema)) }
    return partial ? credit.judge.partial(text) : Number(credit.judge.isValid(text))
  },
})
