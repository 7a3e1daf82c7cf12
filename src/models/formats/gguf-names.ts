/** How llama.cpp names the tensors of a decoder, and how it orders the rows of q and k. */

const wholeModel: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
}

const ofLayer: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

/** The GGUF name of a tensor: `model.layers.3.mlp.up_proj.weight` is `blk.3.ffn_up.weight`. */
export function ggufName(name: string): string {
  const [, module, kind] = /^(.*)\.(weight|bias)$/.exec(name) ?? []
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)$/.exec(module ?? '') ?? []
  const mapped = part === undefined ? wholeModel[module ?? ''] : ofLayer[part]
  if (mapped === undefined) throw new RangeError(`No GGUF name is known for the tensor "${name}"`)
  return part === undefined ? `${mapped}.${kind}` : `blk.${layer}.${mapped}.${kind}`
}

/** The number of heads by which llama.cpp interleaves this tensor's rows; undefined: they are as in Hugging Face. */
export function interleavedHeads(
  name: string, { heads, kvHeads }: { heads: number; kvHeads: number },
): number | undefined {
  const [, projection] = /\.self_attn\.([qk])_proj\.(?:weight|bias)$/.exec(name) ?? []
  return projection === undefined ? undefined : projection === 'q' ? heads : kvHeads
}

/**
 * Rows of q or k from llama.cpp's order to Hugging Face's. values [heads * headDim, columns]
 *
 * Rotary embedding turns pairs of rows of a head. Hugging Face pairs row i with row i + headDim/2; llama.cpp's llama
 * family pairs neighbours, so its files interleave the two halves.
 */
export function deinterleaveHeads(values: Float32Array, rows: number, heads: number): Float32Array<ArrayBuffer> {
  return moveRows(values, rows, heads, (from, to) => [from, to])
}

/** The inverse of deinterleaveHeads. */
export function interleaveHeads(values: Float32Array, rows: number, heads: number): Float32Array<ArrayBuffer> {
  return moveRows(values, rows, heads, (from, to) => [to, from])
}

function moveRows(
  values: Float32Array, rows: number, heads: number,
  direct: (interleaved: number, halved: number) => [from: number, to: number],
): Float32Array<ArrayBuffer> {
  const columns = values.length / rows
  const half = rows / heads / 2
  const moved = new Float32Array(values.length)
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < half * 2; i++) {
      const start = head * half * 2
      const [from, to] = direct(start + i, start + (i % 2) * half + (i >> 1))
      moved.set(values.subarray(from * columns, (from + 1) * columns), to * columns)
    }
  }
  return moved
}
