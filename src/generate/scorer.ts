import { forwardFeeds, onePerBin, packedLogprobs } from '../models/graph/forward.ts'
import type { ModelConfig } from '../models/config.ts'
import type { DecoderParts } from '../models/graph/decoder.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import { Program, type CompileOptions, type HostTensor } from '../runtime/program.ts'

/** Most positions of one run, padding included. */
const runBudget = 1024

/** Log-probabilities of given tokens. */
export class Scorer {
  readonly #config: ModelConfig
  readonly #program: Program
  readonly #parameters: Readonly<Record<string, HostTensor>>
  readonly #rotary: RotaryTable

  private constructor(config: ModelConfig, program: Program, parameters: Readonly<Record<string, HostTensor>>) {
    this.#config = config
    this.#program = program
    this.#parameters = parameters
    this.#rotary = new RotaryTable(config)
  }

  /** @param parameters values of the parts' graph inputs */
  static async compile(
    config: ModelConfig,
    parts: DecoderParts,
    parameters: Readonly<Record<string, HostTensor>>,
    options: CompileOptions,
  ): Promise<Scorer> {
    const program = await Program.compile(new Map([['logprobs', packedLogprobs(config, parts)]]), options)
    return new Scorer(config, program, parameters)
  }

  /** For each sequence of n token ids, the log-probabilities of its last n − 1 tokens given those before. */
  async score(sequences: readonly ArrayLike<number>[]): Promise<Float32Array[]> {
    const results: Float32Array[] = sequences.map(({ length }) => new Float32Array(Math.max(0, length - 1)))
    const byLength = [...sequences.keys()].filter((i) => sequences[i]!.length > 1).sort((a, b) => sequences[b]!.length - sequences[a]!.length)
    while (byLength.length > 0) {
      const longest = sequences[byLength[0]!]!.length
      const group = byLength.splice(0, Math.max(1, Math.floor(runBudget / longest)))
      const batch = onePerBin(group.map((i) => sequences[i]!))
      const { logprobs } = await this.#program.run({ ...forwardFeeds(this.#config, batch, this.#rotary), ...this.#parameters })
      let start = 0
      for (const i of group) {
        results[i]!.set((logprobs!.data as Float32Array).subarray(start, start + results[i]!.length))
        start += results[i]!.length
      }
    }
    return results
  }

  async release(): Promise<void> {
    await this.#program.release()
  }
}
