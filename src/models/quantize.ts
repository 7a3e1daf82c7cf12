/** A weight in blocks of int8 along its input axis, as MatMulNBits takes it. */
export interface QuantizedBlocks {
  /** uint8 [out, ceil(in / block), block], 128 is zero; the last block of a row is padded with zeros */
  readonly values: Uint8Array<ArrayBuffer>
  /** f32 [out * ceil(in / block)] */
  readonly scales: Float32Array<ArrayBuffer>
}

/**
 * Block length of the int8 base. With 128 ONNX Runtime takes another kernel for a single row, and a row's answer then
 * depends on the batch that it is in; 64 and 32 do not.
 */
export const int8Block = 64

/** Symmetric rounding to 8 bits with one scale a block, max|w| / 127. @param weight [out, in] */
export function quantizeInt8(weight: Float32Array, outputs: number, inputs: number, block = int8Block): QuantizedBlocks {
  const blocks = Math.ceil(inputs / block)
  const values = new Uint8Array(outputs * blocks * block).fill(128)
  const scales = new Float32Array(outputs * blocks)
  for (let row = 0; row < outputs; row++) {
    for (let b = 0; b < blocks; b++) {
      const start = row * inputs + b * block
      const end = Math.min(start + block, (row + 1) * inputs)
      let largest = 0
      for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(weight[i]!))
      const scale = largest === 0 ? 1 : largest / 127
      const target = (row * blocks + b) * block - start
      for (let i = start; i < end; i++) values[target + i] = Math.round(weight[i]! / scale) + 128
      scales[row * blocks + b] = scale
    }
  }
  return { values, scales }
}

/** The values that a weight in blocks of int8 stands for, [out, in]. */
export function dequantizeInt8({ values, scales }: QuantizedBlocks, outputs: number, inputs: number, block = int8Block): Float32Array<ArrayBuffer> {
  const padded = Math.ceil(inputs / block) * block
  const weight = new Float32Array(outputs * inputs)
  for (let row = 0; row < outputs; row++) {
    for (let i = 0; i < inputs; i++) {
      const at = row * padded + i
      weight[row * inputs + i] = (values[at]! - 128) * scales[Math.floor(at / block)]!
    }
  }
  return weight
}

/** [rows, columns] -> [columns, rows] */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(matrix.length)
  // In tiles, so that neither side strides through memory for long.
  const tile = 32
  for (let r0 = 0; r0 < rows; r0 += tile) {
    for (let c0 = 0; c0 < columns; c0 += tile) {
      for (let r = r0; r < Math.min(r0 + tile, rows); r++) {
        for (let c = c0; c < Math.min(c0 + tile, columns); c++) result[c * rows + r] = matrix[r * columns + c]!
      }
    }
  }
  return result
}
