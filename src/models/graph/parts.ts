import { frozenLinear, tokenLogprobs } from '../../tensor/functions.ts'
import { add, equal, gather, logSoftmax, matmul, pick, stopGradient, unsqueeze, where } from '../../tensor/operators.ts'
import { input, integers, weight, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { embeddingName, hasBias, headName, linearShape, parameterShapes, type DecoderParts } from './decoder.ts'
import { headPrecision, linearMap, rowSquaresName, type Precision } from './linear-maps.ts'

export { precisions, type Precision } from './linear-maps.ts'

/** A decoder whose weights are frozen, with what adapters need of its linear layers. */
export interface FrozenParts extends DecoderParts {
  /** A linear layer without its bias: W x. [.., in] -> [.., out] */
  product(module: string, x: Tensor): Tensor
  /** Its bias [out], where it has one. */
  bias(module: string): Tensor | undefined
  /** The squared norm of each row of W, [out]. */
  rowSquares(module: string): Tensor
}

/** A decoder whose weights are frozen: they cost no gradient and may be quantized. */
export function frozenParts(config: ModelConfig, precision: Precision): FrozenParts {
  const embedding = weight(embeddingName, 'float32', [config.vocabSize, config.hiddenSize])
  const headShape = [config.vocabSize, config.hiddenSize] as const
  const head = linearMap(headName(config), headShape, headPrecision(precision))
  const headRows = weight(headName(config), 'float32', headShape)
  const outputs = (module: string): number => linearShape(config, module)[0]
  const product = (module: string, x: Tensor): Tensor =>
    frozenLinear(x, linearMap(`${module}.weight`, linearShape(config, module), precision))
  const bias = (module: string): Tensor | undefined =>
    hasBias(config, module) ? weight(`${module}.bias`, 'float32', [outputs(module)]) : undefined
  return {
    embed: (ids_BS) => gather(embedding, ids_BS),
    linear: (module, x) => {
      const [y, b] = [product(module, x), bias(module)]
      return b === undefined ? y : add(y, b)
    },
    product,
    bias,
    rowSquares: (module) => weight(rowSquaresName(`${module}.weight`), 'float32', [outputs(module)]),
    scale: (module) => weight(`${module}.weight`, 'float32', [scaleSize(config, module)]),
    logprobs: (hidden_NH, labels_N) => tokenLogprobs(hidden_NH, labels_N, head, headRows),
    logits: (hidden_NH) => head.forward(hidden_NH),
    // The nf4 kernel multiplies weights that it has just unpacked; those of the others are packed for any number of rows.
    loneRowDiffers: precision === 'nf4',
  }
}

/** A decoder whose every weight is a graph input under its Hugging Face name (after `prefix`), for full fine-tuning. */
export function trainableParts(config: ModelConfig, prefix = ''): { parts: DecoderParts; parameters: ReadonlyMap<string, Tensor> } {
  const parameters = new Map([...parameterShapes(config)].map(([name, shape]) => [name, input(prefix + name, 'float32', shape)]))
  const parameter = (name: string): Tensor => parameters.get(name)!
  const logits = (hidden_NH: Tensor): Tensor => matmul(hidden_NH, parameter(headName(config)), { transposeB: true })
  const parts: DecoderParts = {
    embed: (ids_BS) => trainedEmbedding(parameter(embeddingName), ids_BS, config.padTokenId),
    linear: (module, x) => {
      const y = matmul(x, parameter(`${module}.weight`), { transposeB: true })
      return hasBias(config, module) ? add(y, parameter(`${module}.bias`)) : y
    },
    scale: (module) => parameter(`${module}.weight`),
    logprobs: (hidden_NH, labels_N) => pick(logSoftmax(logits(hidden_NH)), labels_N),
    logits,
    loneRowDiffers: true,
  }
  return { parts, parameters }
}

/** Looking up the padding token trains nothing, even where it also ends turns: torch's nn.Embedding with padding_idx. */
function trainedEmbedding(table: Tensor, ids_BS: Tensor, padTokenId: number | undefined): Tensor {
  const rows = gather(table, ids_BS)
  if (padTokenId === undefined) return rows
  const isPadding_BS1 = unsqueeze(equal(ids_BS, integers(padTokenId)), -1)
  return where(isPadding_BS1, stopGradient(rows), rows)
}

function scaleSize(config: ModelConfig, module: string): number {
  return /\.[qk]_norm$/.test(module) ? config.headDim : config.hiddenSize
}
