import type { RenderedTree } from '../../data/tree.ts'
import type { Completion } from '../../generate/completion.ts'
import { Engine } from '../../generate/engine.ts'
import { Random } from '../../random.ts'
import { parameterFeeds } from '../policy.ts'
import type { LearningContext } from './learning.ts'

/** The streams of the run's seed that sample answers: one for each step. The order of rows uses the epochs' numbers. */
const rolloutStream = 2 ** 30

/** How answers are drawn. */
export interface SamplingPlan {
  readonly groupSize: number
  readonly maxNewTokens: number
  readonly temperature: number
}

/** The policy as it answers: a decoder that reads the parameters as they stand at each call. */
export class Sampler {
  readonly #engine: Engine
  readonly #seed: number

  private constructor(engine: Engine, seed: number) {
    this.#engine = engine
    this.#seed = seed
  }

  static async compile({ policy, placement, tokenizer, recipe }: LearningContext): Promise<Sampler> {
    const { config, parts, weights } = policy
    const engine = await Engine.compile({ ...placement, config, parts, tokenizer, weights, parameters: parameterFeeds(policy) })
    return new Sampler(engine, recipe.seed)
  }

  /** Answers to each question (a tree's stem), group after group. The same step gives the same answers. */
  async sample(questions: readonly RenderedTree[], plan: SamplingPlan, step: number): Promise<Completion[]> {
    const seed = new Random(this.#seed, rolloutStream + step).uint32()
    return this.#engine.generate(questions.map(({ stem }) => ({
      prompt: Array.from(stem.ids),
      maxTokens: plan.maxNewTokens,
      temperature: plan.temperature,
      samples: plan.groupSize,
      seed,
    })))
  }

  async release(): Promise<void> {
    await this.#engine.release()
  }
}
