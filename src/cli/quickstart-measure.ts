import { fileURLToPath } from 'node:url'

import { readRows } from '../data/read.ts'
import { renderRow } from '../data/render.ts'
import { type MessagesRow, messagesRow } from '../data/rows.ts'
import { exactMatch, inForm } from '../evaluate/accuracy.ts'
import { summedLoss } from '../evaluate/loss.ts'
import type { LoadedModel } from '../generate/model.ts'
import { promptIds } from './generate.ts'
import type { Progress } from './progress.ts'

/** What is measured before and after. Losses are means over the tokens that carry loss, in nats. */
export interface Measures {
  /** On new wordings of the trained codes. */
  readonly heldout_loss: number
  /** Share of new wordings of trained codes that get exactly the right line. */
  readonly exact: number
  /** Share of all answers in the form `code — title`, those to codes never trained among them. */
  readonly form: number
  /** The same, of the answers to codes never trained alone. */
  readonly form_unseen: number
}

export interface Measured {
  readonly measures: Measures
  /** What was asked, what the right answer is, what the model says; new wordings of trained codes. */
  readonly answers: readonly { readonly prompt: string; readonly reference: string; readonly answer: string }[]
}

/** The rows of the medical-coding set that are not trained. */
export interface QuickstartData {
  readonly heldout: readonly MessagesRow[]
  readonly unseen: readonly MessagesRow[]
}

/** A code of ICD-10-CM, a dash, a title, and nothing else. */
const FORM = /^[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})? — \S[^\n]*$/

const ANSWER_TOKENS = 40
/** Rows scored, and answers generated, at once. */
const BATCH = 20

/** The folder of the set, the same for the sources and the built package. */
export const icd10 = fileURLToPath(new URL('../../examples/icd10/', import.meta.url))

export async function readQuickstartData(): Promise<QuickstartData> {
  const rows = async (file: string) => (await readRows(file, [messagesRow])).map(({ row }) => row)
  return { heldout: await rows(`${icd10}heldout.jsonl`), unseen: await rows(`${icd10}unseen.jsonl`) }
}

/** Measures a model; `label` names the pass in the progress. */
export async function measure(model: LoadedModel, data: QuickstartData, label: string, progress: Progress): Promise<Measured> {
  const asked = [...data.heldout, ...data.unseen]
  const total = asked.length + data.heldout.length
  let done = 0
  const advance = (count: number) => { progress.update({ label, done: done += count, total }) }
  const texts = await answerAll(model, asked, advance)
  const heldoutLoss = await meanLoss(model, data.heldout, advance)
  progress.end()
  const references = data.heldout.map(row => row.messages.at(-1)!.content)
  return {
    measures: {
      heldout_loss: heldoutLoss,
      exact: exactMatch(texts.slice(0, references.length), references),
      form: inForm(texts, FORM),
      form_unseen: inForm(texts.slice(references.length), FORM),
    },
    answers: data.heldout.map((row, i) => ({ prompt: row.messages.at(-2)!.content, reference: references[i]!, answer: texts[i]! })),
  }
}

async function answerAll(model: LoadedModel, rows: readonly MessagesRow[], advance: (count: number) => void): Promise<string[]> {
  const texts: string[] = []
  for (const batch of batches(rows)) {
    const completions = await model.generate(batch.map(({ messages }) => ({
      prompt: promptIds(model.tokenizer, messages.slice(0, -1)), maxTokens: ANSWER_TOKENS, temperature: 0,
    })))
    texts.push(...completions.map(({ text }) => text))
    advance(batch.length)
  }
  return texts
}

async function meanLoss(model: LoadedModel, rows: readonly MessagesRow[], advance: (count: number) => void): Promise<number> {
  const total = { loss: 0, tokens: 0 }
  for (const batch of batches(rows)) {
    const rendered = batch.map(row => renderRow(row, model.tokenizer, { endTokenIds: model.config.eosTokenIds }))
    const logprobs = await model.score(rendered.map(({ ids }) => ({ ids: [...ids] })))
    rendered.forEach((row, i) => {
      const { loss, tokens } = summedLoss(row, logprobs[i]!)
      total.loss += loss
      total.tokens += tokens
    })
    advance(batch.length)
  }
  return total.loss / total.tokens
}

function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH) }, (_, i) => items.slice(i * BATCH, (i + 1) * BATCH))
}
