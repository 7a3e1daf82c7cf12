/** The worker in which a team's own redaction patterns run: one may take years with a text, and can then be taken away. */
import { serve } from '../runtime/worker.ts'

export interface PatternRequest {
  readonly text: string
  /** Flags with `g`. */
  readonly patterns: readonly { readonly mark: string; readonly pattern: string; readonly flags: string }[]
}

serve({
  start: () => undefined,

  replace: ({ text, patterns }: PatternRequest): string =>
    patterns.reduce((redacted, { mark, pattern, flags }) => redacted.replaceAll(new RegExp(pattern, flags), () => `[${mark}]`), text),
})
