import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { openModel } from '../../src/models/open.ts'
import type { Programs, Scored, Source } from './programs.ts'
import { differingTokens, type Finding, largestDifference } from './table.ts'

export const fixtures = join(import.meta.dirname, '..', '..', 'src', 'models', 'fixtures')
export const tinyModels = ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3']

const ROWS = [
  { messages: [{ role: 'user', content: 'What is the code for fever?' }, { role: 'assistant', content: 'R50.9 - Fever, unspecified' }] },
  { messages: [
    { role: 'system', content: 'Answer in one word.' },
    { role: 'user', content: 'Größe 12 µm, 痛み 🙂?' },
    { role: 'assistant', content: 'Ja.' },
    { role: 'user', content: 'And in 2031, or in 1999?' },
    { role: 'assistant', content: 'Neither of the two.' },
  ] },
  { messages: [{ role: 'user', content: 'Count from 1 to 12.' }, { role: 'assistant', content: '1 2 3 4 5 6 7 8 9 10 11 12' }] },
]
const PROMPTS = ['What is the code for fever?', 'Größe 12 µm?']

/** Scores, greedy answers and the merged model of a base and an adapter, each against transformers and PEFT. */
export async function checkModel(programs: Programs, name: string, { model, adapter }: Required<Source>, limit: number): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const source of [{ model }, { model, adapter }]) {
    const label = 'adapter' in source ? 'with adapter' : 'base'
    const reference = 'adapter' in source ? 'PEFT' : 'transformers'
    const ours = await programs.score(source, ROWS)
    const theirs = await programs.reference(source, ours.map(({ ids }) => ({ ids })))
    findings.push({ model: name, what: `log-probabilities, ${label}`, reference, difference: worst(ours, theirs), limit })
    const difference = await greedyDifference(programs, source, 16)
    findings.push({ model: name, what: `greedy answers, ${label}`, reference, difference, limit: 0 })
  }
  const merged = join(programs.folder, `${name}-merged`)
  await programs.merge({ model, adapter }, merged)
  const rows = (await programs.score({ model, adapter }, ROWS)).map(({ ids }) => ({ ids }))
  const difference = worst(await programs.reference({ model: merged }, rows), await programs.reference({ model, adapter }, rows))
  findings.push({ model: name, what: 'merged directory', reference: 'transformers, PEFT', difference, limit })
  return findings
}

/** Greedy tokens of posttrain that differ from the reference's, over the prompts. */
async function greedyDifference(programs: Programs, source: Source, newTokens: number): Promise<number> {
  const theirs = await programs.reference(source, PROMPTS.map(prompt => ({ prompt })), newTokens)
  let differing = 0
  for (const [i, prompt] of PROMPTS.entries()) {
    differing += differingTokens(await programs.generate(source, prompt, newTokens), theirs[i]!.greedy)
  }
  return differing
}

/** Largest difference of log-probabilities over rows that must be of the same tokens. */
export function worst(ours: readonly Scored[], theirs: readonly Scored[]): number {
  return Math.max(...ours.map(({ logprobs }, i) => largestDifference(logprobs, theirs[i]?.logprobs ?? [])))
}

/** The exported GGUF in llama.cpp: the greedy answers must be posttrain's own. */
export async function checkGguf(programs: Programs, name: string, source: Required<Source>, newTokens: number): Promise<Finding> {
  const file = join(programs.folder, `${name}.gguf`)
  await programs.merge(source, file)
  const prompts = await programs.reference({ model: source.model }, PROMPTS.map(prompt => ({ prompt })))
  const theirs = await programs.llamaGreedy(file, prompts.map(({ ids }) => ids), newTokens)
  let difference = 0
  for (const [i, prompt] of PROMPTS.entries()) {
    difference += differingTokens(await programs.generate(source, prompt, newTokens), theirs[i]!)
  }
  return { model: name, what: 'greedy answers of the exported GGUF', reference: 'llama.cpp', difference, limit: 0 }
}

/** Token ids of texts (a file with a JSON object a line, or plain lines) against llama.cpp's. */
export async function checkTokens(programs: Programs, name: string, model: string, file: string): Promise<Finding> {
  const texts = readFileSync(file, 'utf8').split('\n').filter(line => line.trim() !== '').map(textOf)
  const opened = await openModel(model)
  const ours = texts.map(text => opened.tokenizer.encode(text))
  opened.close()
  const theirs = await programs.llamaTokens(model, texts)
  const difference = ours.filter((ids, i) => differingTokens(ids, theirs[i]!) > 0).length
  return { model: name, what: `token ids of ${String(texts.length)} texts`, reference: 'llama.cpp', difference, limit: 0 }
}

/** The text of a line: the first string of a JSON object, or the line itself. */
function textOf(line: string): string {
  if (!line.startsWith('{')) return line
  const text = Object.values(JSON.parse(line) as Record<string, unknown>).find(value => typeof value === 'string')
  if (text === undefined) throw new Error(`no text in ${line.slice(0, 80)}`)
  return text
}
