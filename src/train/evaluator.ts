import { join } from 'node:path'
import { packRows } from '../data/pack.ts'
import { readRows } from '../data/read.ts'
import { renderRows, type RenderOptions, type RenderedRow } from '../data/render.ts'
import { sftRowKinds, type SftRow } from '../data/rows.ts'
import { forwardFeeds, packedLogprobs } from '../models/forward.ts'
import { RotaryTable } from '../models/rotary.ts'
import type { Tokenizer } from '../models/tokenizer.ts'
import { Program } from '../runtime/program.ts'
import { sum } from '../tensor/operators.ts'
import { parameterFeeds, type Placement, type Policy } from './policy.ts'

/** Held-out losses of a policy as its parameters stand. */
export class Evaluator {
  readonly #policy: Policy
  readonly #program: Program
  readonly #rotary: RotaryTable

  private constructor(policy: Policy, program: Program) {
    this.#policy = policy
    this.#program = program
    this.#rotary = new RotaryTable(policy.config)
  }

  static async compile(policy: Policy, placement: Placement): Promise<Evaluator> {
    const outputs = new Map([['sum', sum(packedLogprobs(policy.config, policy.parts))]])
    return new Evaluator(policy, await Program.compile(outputs, { ...placement, weights: policy.weights }))
  }

  /** Mean cross-entropy per loss-carrying token, nats. */
  async loss(rows: readonly RenderedRow[]): Promise<number> {
    let total = 0
    let tokens = 0
    for (const batch of packRows(rows)) {
      const outputs = await this.#program.run({ ...forwardFeeds(this.#policy.config, batch, this.#rotary), ...parameterFeeds(this.#policy) })
      total -= (outputs['sum']!.data as Float32Array)[0]!
      tokens += batch.targets.labels.length
    }
    return total / tokens
  }

  async release(): Promise<void> {
    await this.#program.release()
  }
}

/** The shipped general set, on which every run measures forgetting. Written for a chat; raw text without a template. */
export async function generalRows(tokenizer: Tokenizer, options: RenderOptions, maxLength: number): Promise<readonly RenderedRow[]> {
  const file = join(import.meta.dirname, '../data/general.jsonl')
  return renderRows(await readRows<SftRow>(file, sftRowKinds), tokenizer, { ...options, maxLength }).rows
}
