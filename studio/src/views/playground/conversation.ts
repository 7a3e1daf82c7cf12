/** What each model is asked: the turns so far, as its own side of them reads. */

export interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** A turn that is over, as far as the next ones depend on it. */
export interface PastTurn {
  readonly prompt: string
  /** `column`: which of the models side by side; their number stays when models come and go. */
  readonly answers: readonly { readonly column: number; readonly text: string }[]
  /** The column whose answer was the better one. */
  readonly chosen: number | undefined
  /** Whether all go on with that answer, in place of each with its own. */
  readonly shared: boolean
}

/**
 * The messages for one column's next answer. A column that has no answer in a turn, since it came later or its answer
 * failed, takes the chosen one, else the first that there is; a turn without any is left out.
 */
export function messagesFor(column: number, system: string, turns: readonly PastTurn[], prompt: string): Message[] {
  const past = turns.flatMap((turn): Message[] => {
    const answer = answerIn(turn, column)
    return answer === undefined ? [] : [{ role: 'user', content: turn.prompt }, { role: 'assistant', content: answer }]
  })
  return [...(system.trim() === '' ? [] : [{ role: 'system', content: system } as const]), ...past, { role: 'user', content: prompt }]
}

function answerIn({ answers, chosen, shared }: PastTurn, column: number): string | undefined {
  const given = answers.filter(({ text }) => text.trim() !== '')
  const of = (wanted: number | undefined): string | undefined => given.find((answer) => answer.column === wanted)?.text
  const own = shared ? undefined : of(column)
  return own ?? of(chosen) ?? given[0]?.text
}

/** Whether answers were given to the very same messages: only then can one of them be called the better one. */
export function sameQuestion(asked: readonly (readonly Message[])[]): boolean {
  const [first, ...others] = asked.map((messages) => JSON.stringify(messages))
  return others.every((other) => other === first)
}

/** The numbers below `count` in a random order (Fisher and Yates). @param random uniform in [0, 1) */
export function shuffled(count: number, random: () => number = Math.random): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}
