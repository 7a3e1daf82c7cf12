/**
 * The decoder that llama, mistral, qwen2 and qwen3 share, as a symbolic graph. What differs between them is in ModelConfig.
 * Shapes: B rows, S positions, H hidden, N positions that are scored, V vocabulary, P past positions.
 */
import { groupedAttention, rmsNorm, rotate, siluGate, type Rotations } from '../../tensor/functions.ts'
import { add, flattenRows, gather, mul, reshape, transpose } from '../../tensor/operators.ts'
import type { Dim } from '../../tensor/shape.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'

/** The weights of a decoder, behind the operations that use them: frozen, quantized, trained or adapted. */
export interface DecoderParts {
  /** Embeddings of token ids. [B, S] -> [B, S, H] */
  embed(ids_BS: Tensor): Tensor
  /** A linear layer with its bias and adapter. `module` is its Hugging Face name without `.weight`. */
  linear(module: string, x: Tensor): Tensor
  /** The scale of an RMS norm. */
  scale(module: string): Tensor
  /** Log-probabilities of labels. hidden [N, H], labels [N] -> [N] */
  logprobs(hidden_NH: Tensor, labels_N: Tensor): Tensor
  /** [N, H] -> [N, V] */
  logits(hidden_NH: Tensor): Tensor
  /** Whether a product of a single row sums in another order than one of several: its bits then depend on the batch. */
  readonly loneRowDiffers: boolean
}

/** Attention of one layer over queries, keys and values: q [B, heads, S, D] (scaled), k, v [B, kvHeads, S, D] -> like q */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor) => Tensor

/** Attention within the given positions alone, as in training. mask [B, 1, S, S] */
export function attendWithin(mask: Tensor): Attend {
  return (_layer, q, k, v) => groupedAttention(q, k, v, mask)
}

/** Hidden states after the last layer, before the final norm. ids [B, S] -> [B, S, H] */
export function decoderLayers(config: ModelConfig, parts: DecoderParts, ids_BS: Tensor, rotations: Rotations, attend: Attend): Tensor {
  let x = parts.embed(ids_BS)
  for (let layer = 0; layer < config.layers; layer++) {
    const path = `model.layers.${layer}`
    const normed = rmsNorm(x, parts.scale(`${path}.input_layernorm`), config.normEps)
    x = add(x, selfAttention(config, parts, layer, normed, rotations, attend))
    const normedAgain = rmsNorm(x, parts.scale(`${path}.post_attention_layernorm`), config.normEps)
    x = add(x, feedForward(parts, `${path}.mlp`, normedAgain))
  }
  return x
}

/** The final norm at the positions that are scored. x [B, S, H], positions [N] in B*S -> [N, H] */
export function finalHidden(config: ModelConfig, parts: DecoderParts, x: Tensor, positions_N: Tensor): Tensor {
  return rmsNorm(gather(flattenRows(x), positions_N), parts.scale('model.norm'), config.normEps)
}

function selfAttention(
  config: ModelConfig,
  parts: DecoderParts,
  layer: number,
  x: Tensor,
  rotations: Rotations,
  attend: Attend,
): Tensor {
  const path = `model.layers.${layer}.self_attn`
  const [batch, length] = x.shape as [Dim, Dim]
  const heads = (name: 'q' | 'k' | 'v', count: number): Tensor => {
    const split = reshape(parts.linear(`${path}.${name}_proj`, x), [batch, length, count, config.headDim])
    const normed = config.qkNorm && name !== 'v' ? rmsNorm(split, parts.scale(`${path}.${name}_norm`), config.normEps) : split
    return transpose(normed, [0, 2, 1, 3])
  }
  // The scale of the scores goes into the rotation of q, where it costs nothing.
  const scale = config.headDim ** -0.5
  const scaled = { ...rotations, cos: mul(rotations.cos, scale), sin: mul(rotations.sin, scale) }
  const q = rotate(heads('q', config.heads), scaled)
  const k = rotate(heads('k', config.kvHeads), rotations)
  const attended = transpose(attend(layer, q, k, heads('v', config.kvHeads)), [0, 2, 1, 3])
  return parts.linear(`${path}.o_proj`, reshape(attended, [batch, length, config.heads * config.headDim]))
}

function feedForward(parts: DecoderParts, path: string, x: Tensor): Tensor {
  return parts.linear(`${path}.down_proj`, siluGate(parts.linear(`${path}.gate_proj`, x), parts.linear(`${path}.up_proj`, x)))
}

/** Names of all linear layers of the blocks, in PEFT's sense of `all-linear`: not the output head. */
export function linearModules(config: ModelConfig): string[] {
  return Array.from({ length: config.layers }, (_, layer) => layerModules(`model.layers.${layer}`)).flat()
}

function layerModules(path: string): string[] {
  const attention = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name) => `${path}.self_attn.${name}`)
  return [...attention, ...['gate_proj', 'up_proj', 'down_proj'].map((name) => `${path}.mlp.${name}`)]
}

/** [out, in] of a linear layer of the blocks. */
export function linearShape(config: ModelConfig, module: string): [number, number] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  switch (module.slice(module.lastIndexOf('.') + 1)) {
    case 'q_proj':
      return [heads * headDim, hiddenSize]
    case 'k_proj':
    case 'v_proj':
      return [kvHeads * headDim, hiddenSize]
    case 'o_proj':
      return [hiddenSize, heads * headDim]
    case 'gate_proj':
    case 'up_proj':
      return [intermediateSize, hiddenSize]
    case 'down_proj':
      return [hiddenSize, intermediateSize]
    default:
      throw new Error(`${module} is not a linear layer of the decoder`)
  }
}

/** Whether a linear layer has a bias. */
export function hasBias(config: ModelConfig, module: string): boolean {
  const name = module.slice(module.lastIndexOf('.') + 1)
  if (name === 'o_proj') return config.outputBias
  return ['q_proj', 'k_proj', 'v_proj'].includes(name) ? config.qkvBias : config.mlpBias
}

/** Names of all RMS norms of the blocks and the final one, with the length of their scales. */
export function normModules(config: ModelConfig): [module: string, size: number][] {
  const ofLayer = (path: string): [string, number][] => [
    [`${path}.input_layernorm`, config.hiddenSize],
    [`${path}.post_attention_layernorm`, config.hiddenSize],
    ...(config.qkNorm ? (['q', 'k'] as const).map((name): [string, number] => [`${path}.self_attn.${name}_norm`, config.headDim]) : []),
  ]
  const blocks = Array.from({ length: config.layers }, (_, layer) => ofLayer(`model.layers.${layer}`)).flat()
  return [...blocks, ['model.norm', config.hiddenSize]]
}

export const embeddingName = 'model.embed_tokens.weight'

/** The name of the output head's weight: the embedding's where the two are tied. */
export function headName(config: ModelConfig): string {
  return config.tieEmbeddings ? embeddingName : 'lm_head.weight'
}

/** Every tensor of the model with its shape, under its Hugging Face name. */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const vocabulary = [config.vocabSize, config.hiddenSize]
  const shapes = new Map<string, number[]>([[embeddingName, vocabulary]])
  for (const module of linearModules(config)) {
    const shape = linearShape(config, module)
    shapes.set(`${module}.weight`, shape)
    if (hasBias(config, module)) shapes.set(`${module}.bias`, [shape[0]])
  }
  for (const [module, size] of normModules(config)) shapes.set(`${module}.weight`, [size])
  shapes.set(headName(config), vocabulary)
  return shapes
}
