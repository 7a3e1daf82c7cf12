/** The four families that the decoder knows; each is described in architectures.ts. */
export type ArchitectureName = 'llama' | 'mistral' | 'qwen2' | 'qwen3'

/** How rotary frequencies are stretched beyond the length a model was trained on. */
export type RopeScaling =
  | { readonly type: 'none' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      readonly originalMaxPositions: number
    }

/** What the decoder needs to know of a model, whichever file format it came from. */
export interface ModelConfig {
  readonly architecture: ArchitectureName
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabSize: number
  readonly normEps: number
  readonly ropeTheta: number
  readonly ropeScaling: RopeScaling
  /** The output head is the embedding matrix. */
  readonly tieEmbeddings: boolean
  /** Biases on q, k and v (qwen2; llama where attention_bias is set). */
  readonly qkvBias: boolean
  /** Bias on the attention's output projection (llama where attention_bias is set). */
  readonly outputBias: boolean
  /** Biases on gate, up and down (llama where mlp_bias is set). */
  readonly mlpBias: boolean
  /** RMS norm over each head of q and k before rotation (qwen3). */
  readonly qkNorm: boolean
  readonly maxPositions: number
  /** Attention reaches back this many tokens; undefined: all of them. */
  readonly slidingWindow: number | undefined
  readonly bosTokenId: number | undefined
  /** Every id that ends a turn: config.json's and generation_config.json's. */
  readonly eosTokenIds: readonly number[]
  readonly padTokenId: number | undefined
}
