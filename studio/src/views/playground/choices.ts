/** "This one is better" as the store has it: of each two answers, which. */

/** Ids of completions. */
export interface Pair {
  readonly chosen: string
  readonly rejected: string
}

export interface GivenPair extends Pair {
  /** The feedback's id. */
  readonly feedback: string
}

export interface ChoicePlan {
  /** Pairs that are to be said. */
  readonly send: readonly Pair[]
  /** Feedback that does not hold any more, and that nothing sent takes the place of. */
  readonly remove: readonly string[]
  /** What was said and still holds. */
  readonly keep: readonly GivenPair[]
}

/**
 * What is to be done so that exactly one answer is preferred to each of the others.
 * @param chosen undefined: none is, any more
 * @param answers ids of the turn's answers
 * @param given what was said before
 */
export function planChoice(chosen: string | undefined, answers: readonly string[], given: readonly GivenPair[]): ChoicePlan {
  const wanted = chosen === undefined ? [] : answers.filter((id) => id !== chosen).map((rejected): Pair => ({ chosen, rejected }))
  const holds = (pair: Pair): boolean => wanted.some((other) => isSame(other, pair))
  const keep = given.filter(holds)
  return {
    keep,
    send: wanted.filter((pair) => !given.some((other) => isSame(other, pair))),
    // The store puts a later choice between two answers in the earlier one's place, whichever was chosen.
    remove: given.filter((pair) => !holds(pair) && !wanted.some((other) => isSame(other, swapped(pair)))).map(({ feedback }) => feedback),
  }
}

function isSame(a: Pair, b: Pair): boolean {
  return a.chosen === b.chosen && a.rejected === b.rejected
}

function swapped({ chosen, rejected }: Pair): Pair {
  return { chosen: rejected, rejected: chosen }
}
