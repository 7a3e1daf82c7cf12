/** Share of `answers` that equal the reference of the same index, white space around them aside; 0 of none. */
export function exactMatch(answers: readonly string[], references: readonly string[]): number {
  return share(answers.map((answer, i) => answer.trim() === references[i]!.trim()))
}

/** Share of `answers` that match `pattern`, white space around them aside; 0 of none. */
export function inForm(answers: readonly string[], pattern: RegExp): number {
  return share(answers.map(answer => pattern.test(answer.trim())))
}

function share(hits: readonly boolean[]): number {
  return hits.length === 0 ? 0 : hits.filter(Boolean).length / hits.length
}
