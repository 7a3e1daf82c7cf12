import { join } from 'node:path'
import { packTrees } from '../data/pack.ts'
import { readRows, type Located } from '../data/read.ts'
import type { RenderOptions } from '../data/render.ts'
import { sftRowKinds, type SftRow } from '../data/rows.ts'
import { renderSft, renderTrees, type RenderedTree } from '../data/tree.ts'
import { forwardFeeds, packedLogprobs } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Program } from '../runtime/program.ts'
import { sum } from '../tensor/operators.ts'
import { parameterFeeds, type Placement, type Policy } from './policy.ts'

/** Positions of one run: few, since the training graph's memory is taken at the same time. */
const evaluationTokens = 256

/**
 * Mean cross-entropy per loss-carrying token, nats, of each set of rows under a policy as its parameters stand.
 * The forward graph is compiled for the purpose and released: between evaluations it takes no memory from training.
 */
export async function evaluationLosses(policy: Policy, placement: Placement, sets: readonly (readonly RenderedTree[])[]): Promise<number[]> {
  const outputs = new Map([['sum', sum(packedLogprobs(policy.config, policy.parts))]])
  const program = await Program.compile(outputs, { ...placement, weights: policy.weights, prepack: policy.prepack, shrink: true })
  try {
    const rotary = new RotaryTable(policy.config)
    const losses: number[] = []
    for (const rows of sets) losses.push(await meanLoss(program, policy, rotary, rows))
    return losses
  } finally {
    await program.release()
  }
}

async function meanLoss(program: Program, policy: Policy, rotary: RotaryTable, rows: readonly RenderedTree[]): Promise<number> {
  let total = 0
  let tokens = 0
  for (const batch of packTrees(rows, { maxTokens: evaluationTokens })) {
    const outputs = await program.run({ ...forwardFeeds(policy.config, batch, rotary), ...parameterFeeds(policy) })
    total -= (outputs['sum']!.data as Float32Array)[0]!
    tokens += batch.targets.labels.length
  }
  return total / tokens
}

/** The shipped general set, on which every run measures forgetting. Written for a chat; raw text without a template. */
export async function generalRows(tokenizer: Tokenizer, options: RenderOptions, maxLength: number): Promise<readonly RenderedTree[]> {
  const file = join(import.meta.dirname, '../data/general.jsonl')
  const rows = await readRows<SftRow>(file, sftRowKinds)
  const asChat = tokenizer.hasTemplate && options.template !== 'none'
  return renderTrees(asChat ? rows : rows.map(asText), renderSft, tokenizer, { ...options, maxLength }).trees
}

/** A conversation as plain text: its turns as lines, the last one the completion. */
function asText({ row, where }: Located<SftRow>): Located<SftRow> {
  if (!('messages' in row)) return { row, where }
  const lines = row.messages.map(({ content }) => content)
  return { row: { prompt: lines.slice(0, -1).map((line) => `${line}\n`).join(''), completion: lines.at(-1)! }, where }
}
