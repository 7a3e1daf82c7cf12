/** The example's grader: the rule of the support desk, which the quickstart's simulated agents go by too. */
import { judgeSummary, type Facts } from '../../src/cli/quickstart/judge.ts'

export default function judge({ output_text: output }: { readonly output_text: string }, item: Facts): number {
  return judgeSummary(output, item)
}
