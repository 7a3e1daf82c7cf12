import type { Measured, Measures } from './quickstart-measure.ts'

/** A loss at the start and at the end of a run. */
export interface Change {
  readonly before: number
  readonly after: number
}

/** The table of before and after, and three answers side by side, as text. `general`: loss on general questions and answers. */
export function report(before: Measured, after: Measured, general: Change): string {
  const rows: (readonly [name: string, before: string, after: string])[] = [
    ['', 'before', 'after'],
    ['held-out loss (new wordings)', ...both(before, after, 'heldout_loss', loss)],
    ['exact answer, new wordings', ...both(before, after, 'exact', percent)],
    ['in form (code — title), all', ...both(before, after, 'form', percent)],
    ['in form, codes never trained', ...both(before, after, 'form_unseen', percent)],
    ['general loss (forgetting)', loss(general.before), loss(general.after)],
  ]
  const change = general.after / general.before - 1
  return [
    '',
    ...rows.map(([name, left, right]) => `  ${name.padEnd(32)}${left.padStart(10)}${right.padStart(10)}`),
    '',
    `  General loss changed by ${signed(change)}: ${change <= 0.02 ? 'what the model knew is still there.' : 'the model has forgotten some of what it knew.'}`,
    '',
    ...examples(before, after).flatMap(({ prompt, reference, was, is }) => [
      `  ${prompt}`,
      `    before  ${oneLine(was)}`,
      `    after   ${oneLine(is)}${is.trim() === reference ? '' : `   (right: ${reference})`}`,
      '',
    ]),
  ].join('\n')
}

/** Three wordings spread over the set, the first of each third that is now right, so that the answers can be compared. */
function examples(before: Measured, after: Measured) {
  const all = after.answers.map(({ prompt, reference, answer }, i) => ({ prompt, reference, was: before.answers[i]!.answer, is: answer }))
  const third = Math.ceil(all.length / 3)
  return [0, 1, 2]
    .map(part => all.slice(part * third, (part + 1) * third))
    .flatMap(part => part.find(({ reference, is }) => is.trim() === reference) ?? part.slice(0, 1))
}

function both(before: Measured, after: Measured, key: keyof Measures, show: (value: number) => string): [string, string] {
  return [show(before.measures[key]), show(after.measures[key])]
}

function loss(value: number): string {
  return value.toFixed(3)
}

function percent(value: number): string {
  return `${(value * 100).toFixed(0)}%`
}

function signed(part: number): string {
  return `${part < 0 ? '' : '+'}${(part * 100).toFixed(1)}%`
}

function oneLine(text: string): string {
  const line = text.trim().replaceAll(/[\s\p{Cc}]+/gu, ' ')
  return line.length > 76 ? `${line.slice(0, 75)}…` : line
}
