/**
 * An error that its reader can act on: what is wrong, where, and what to do.
 *
 * Everything that a user can cause is thrown as a UserError; any other error is a bug of ours.
 * The command line prints `message` alone and exits with `exitCode`.
 */
export class UserError extends Error {
  override readonly name = 'UserError'
  /** 1: the work failed; 2: it was asked for wrongly (flags, recipe, input file). */
  readonly exitCode: 1 | 2

  constructor(message: string, options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? 1
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const mostListed = 20

/** Many faults for one message: the first of them, a line each, and how many there are more. */
export function shortList(faults: readonly string[]): string {
  const more = faults.length - mostListed
  return faults.slice(0, mostListed).join('\n') + (more > 0 ? `\nand ${more} more` : '')
}

/** Longer ones are no slips, and would take long to compare. */
const longestName = 200

/** The name in `known` closest to `name` by edit distance, if it is close enough to be a slip. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > longestName) return undefined
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 2))
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > bestDistance) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance || (distance === bestDistance && best === undefined)) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance, one row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution))
    }
    row = next
  }
  return row[b.length]!
}
