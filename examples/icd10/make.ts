/**
 * Writes train.jsonl, heldout.jsonl, unseen.jsonl and questions.jsonl beside itself: `node examples/icd10/make.ts`.
 *
 * Each row is a conversation: a short system prompt, a wording, and the answer as `code — title`. A trained code
 * gets WORDINGS wordings: its free notes, and sentences that take its names in turn. Held-out wordings are sentences
 * of their own.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type Condition, trained, unseen } from './conditions.ts'

const SYSTEM = 'ICD-10-CM'
const WORDINGS = 20

/** Sentences around a name: requests for a code, a clinician's shorthand, a patient's words, with distractors. */
const sentences: readonly ((name: string) => string)[] = [
  name => name,
  name => `Code for ${name}?`,
  name => `Dx: ${name}`,
  name => `Patient has ${name}.`,
  name => `What is the ICD-10-CM code for ${name}?`,
  name => `Pt seen today for ${name}, stable.`,
  name => name.toUpperCase(),
  name => `icd10 ${name.toLowerCase()}`,
  name => `Prior knee surgery. Now ${name}.`,
  name => `Assessment: ${name}. Follow up in two weeks.`,
  name => `Which code do I bill for ${name}?`,
  name => `67 yo woman with ${name}`,
  name => `My doctor wrote "${name}" on the form.`,
  name => `Impression: ${name}; no known allergies`,
  name => misspell(name),
  name => `Discharge diagnosis ${name}, went home.`,
  name => `please code: ${name}`,
  name => `34M, smoker, ${name}`,
  name => `I was told it is ${name}.`,
  name => `Reason for visit - ${name}`,
]

/** The name with the middle letters of its longest word swapped, as a typing slip. */
function misspell(name: string): string {
  const longest = name.split(/[^\p{L}]+/u).reduce((a, b) => (b.length > a.length ? b : a))
  const middle = Math.floor(longest.length / 2)
  const slip = longest.slice(0, middle - 1) + longest[middle]! + longest[middle - 1]! + longest.slice(middle + 1)
  return name.replace(longest, slip)
}

/** Training wordings of the `index`-th condition; each condition meets the names and the sentences in another order. */
function wordings({ title, names, notes }: Condition, index: number): string[] {
  const all = [title, ...names]
  const rest = Array.from({ length: WORDINGS - notes.length }, (_, i) =>
    sentences[(i + index * 7) % sentences.length]!(all[(i + index) % all.length]!))
  return [...notes, ...rest]
}

type Code = Pick<Condition, 'code' | 'title'>

function question(wording: string): { role: string; content: string }[] {
  return [{ role: 'system', content: SYSTEM }, { role: 'user', content: wording }]
}

function row({ code, title }: Code, wording: string): string {
  return JSON.stringify({ messages: [...question(wording), { role: 'assistant', content: `${code} — ${title}` }] })
}

/** A question, and beside it the answer that a grader reads. */
function questionRow({ code, title }: Code, wording: string): string {
  return JSON.stringify({ prompt: question(wording), answer: `${code} — ${title}` })
}

function write(name: string, rows: readonly string[]): void {
  writeFileSync(join(import.meta.dirname, name), `${rows.join('\n')}\n`)
}

write('train.jsonl', trained.flatMap((condition, index) => wordings(condition, index).map(wording => row(condition, wording))))
write('heldout.jsonl', trained.flatMap(condition => condition.heldout.map(wording => row(condition, wording))))
write('unseen.jsonl', unseen.flatMap(condition => condition.heldout.map(wording => row(condition, wording))))
write('questions.jsonl', trained.flatMap(condition => condition.heldout.map(wording => questionRow(condition, wording))))
