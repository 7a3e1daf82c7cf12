import { packTrees } from '../data/pack.ts'
import { asTree } from '../data/tree.ts'
import { cacheDirectory } from '../models/sources/cache.ts'
import { resolveModel } from '../models/sources/source.ts'
import { forwardFeeds, packedForward } from '../models/graph/forward.ts'
import type { Precision } from '../models/graph/linear-maps.ts'
import { withLora } from '../models/graph/lora.ts'
import { frozenParts } from '../models/graph/parts.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import { openModel } from '../models/open.ts'
import { loadRewardAdapter } from '../models/peft.ts'
import { prepareWeights } from '../models/prepare.ts'
import type { ModelConfig } from '../models/config.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Program, type HostTensor } from '../runtime/program.ts'
import { matmul } from '../tensor/operators.ts'
import { input } from '../tensor/tensor.ts'

export interface RewardModelOptions {
  /** The base: hub id, directory, .gguf file or package:NAME. */
  readonly model: string
  /** Directory of an adapter with a scalar head. */
  readonly adapter: string
  readonly precision: Precision
}

/** A base with an adapter and a scalar head: what `method: reward` trains. */
export class RewardModel {
  readonly tokenizer: Tokenizer
  readonly config: ModelConfig
  readonly #program: Program
  readonly #rotary: RotaryTable
  readonly #parameters: Readonly<Record<string, HostTensor>>

  private constructor(parts: Pick<RewardModel, 'tokenizer' | 'config'>, program: Program, parameters: Readonly<Record<string, HostTensor>>) {
    this.tokenizer = parts.tokenizer
    this.config = parts.config
    this.#program = program
    this.#rotary = new RotaryTable(parts.config)
    this.#parameters = parameters
  }

  /** Throws a UserError where model or adapter are missing, damaged, or do not fit, or the adapter has no head. */
  static async open({ model: ref, adapter: directory, precision }: RewardModelOptions): Promise<RewardModel> {
    const model = await openModel(await resolveModel(ref))
    try {
      const { config } = model
      const adapter = loadRewardAdapter(directory, config)
      const { parts, parameters } = withLora(frozenParts(config, precision), config, adapter.config)
      const hidden = packedForward(config, parts).hidden_NH
      const scores = matmul(hidden, input('head', 'float32', [1, config.hiddenSize]), { transposeB: true })
      const weights = prepareWeights(model, precision, cacheDirectory())
      const program = await Program.compile(new Map([['scores', scores]]), { device: 'cpu', weights, shrink: true })
      const feeds = [...parameters].map(([name, { shape }]) => [name, { data: adapter.parameters.get(name)!, shape: shape as number[] }] as const)
      return new RewardModel(model, program, { ...Object.fromEntries(feeds), head: { data: adapter.head, shape: [1, config.hiddenSize] } })
    } finally {
      model.close()
    }
  }

  /**
   * The head's value at each sequence's last token. As in transformers' sequence classifiers, trailing padding tokens do
   * not count, even where the padding token is what ends a turn.
   */
  async score(sequences: readonly ArrayLike<number>[]): Promise<number[]> {
    const trees = sequences.map((ids) => asTree({ ids: this.#withoutPadding(Int32Array.from(ids)), mask: new Uint8Array(ids.length) }))
    const scores = sequences.map(() => NaN)
    for (const batch of packTrees(trees, { targets: 'ends' })) {
      const outputs = await this.#program.run({ ...forwardFeeds(this.config, batch, this.#rotary), ...this.#parameters })
      const values = outputs['scores']!.data as Float32Array
      batch.targets.sequences.forEach((sequence, n) => { scores[batch.sequences.trees[sequence]!] = values[n]! })
    }
    return scores
  }

  async release(): Promise<void> {
    await this.#program.release()
  }

  #withoutPadding(ids: Int32Array): Int32Array {
    return ids.subarray(0, Math.max(1, ids.findLastIndex((id) => id !== this.config.padTokenId) + 1))
  }
}
