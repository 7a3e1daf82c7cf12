/**
 * The decoder with a cache of keys and values, for generation: one graph serves prompts (S positions, an empty past)
 * and single tokens (S = 1). The past is an input, which ONNX Runtime does not copy; only the new positions' keys and
 * values are outputs, which it does.
 */
import { cachedAttention } from '../../tensor/functions.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { decoderLayers, finalHidden, type DecoderParts } from './decoder.ts'
import { nextToken } from './next-token.ts'
import { rotaryInputs } from './rotary.ts'

/** Names of the cached graph's inputs and outputs for one layer. */
export const cacheNames = {
  past: (layer: number) => ({ k: `past_k_${layer}`, v: `past_v_${layer}` }),
  fresh: (layer: number) => ({ k: `new_k_${layer}`, v: `new_v_${layer}` }),
}

/**
 * Graph inputs: `ids` [B, S], the rotations (rotary.ts), `mask` [B, 1, S, S + P], `lengths` = [S, P],
 * `target_positions` [N] (index into [B * S] of the position whose next token is asked for; one may be named several
 * times), those of the choice among tokens (next-token.ts), the past of each layer [B, G, P, D].
 * Outputs: those of the choice, and the new keys and values of each layer [B, G, S, D].
 */
export function cachedDecoder(config: ModelConfig, parts: DecoderParts): Map<string, Tensor> {
  const outputs = new Map<string, Tensor>()
  const ids_BS = input('ids', 'int64', ['B', 'S'])
  const mask = input('mask', 'float32', ['B', 1, 'S', 'S+P'])
  const lengths = input('lengths', 'int64', [2])
  const pastShape = ['B', config.kvHeads, 'P', config.headDim]
  const hidden = decoderLayers(config, parts, ids_BS, rotaryInputs(config), (layer, q, k, v) => {
    const past = cacheNames.past(layer)
    const fresh = cacheNames.fresh(layer)
    outputs.set(fresh.k, k).set(fresh.v, v)
    return cachedAttention(q, k, v, { k: input(past.k, 'float32', pastShape), v: input(past.v, 'float32', pastShape), lengths }, mask)
  })
  const logits = parts.logits(finalHidden(config, parts, hidden, input('target_positions', 'int64', ['N'])))
  return new Map([...outputs, ...nextToken(logits)])
}
