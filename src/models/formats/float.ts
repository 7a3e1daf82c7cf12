/**
 * The three floating-point types of weight files, in little-endian bytes, to and from f32.
 *
 * F16 is IEEE 754 binary16; BF16 is the upper half of a binary32. Narrowing rounds to nearest, ties to even.
 */

/** The stored types that hold one plain number per element. */
export type FloatType = 'F32' | 'F16' | 'BF16'

/** Bytes of one element. */
export const floatBytes: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 }

export function isFloatType(dtype: string): dtype is FloatType {
  return Object.hasOwn(floatBytes, dtype)
}

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new Error('Weight files are little-endian; this processor is not, and no conversion is written for it')
}

/** f32 values of stored bytes; the bytes need no alignment. */
export function widen(dtype: FloatType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const elements = bytes.byteLength / floatBytes[dtype]
  switch (dtype) {
    case 'F32': {
      const values = new Float32Array(elements)
      bytesOf(values).set(bytes)
      return values
    }
    case 'F16':
      return new Float32Array(new Float16Array(aligned(bytes), 0, elements))
    case 'BF16': {
      const halves = new Uint16Array(aligned(bytes), 0, elements)
      const bits = new Uint32Array(elements)
      for (let i = 0; i < elements; i++) bits[i] = halves[i]! << 16
      return new Float32Array(bits.buffer)
    }
  }
}

/** Stored bytes of f32 values. Shares memory with `values` where the type is F32. */
export function narrow(dtype: FloatType, values: Float32Array): Uint8Array {
  switch (dtype) {
    case 'F32':
      return bytesOf(values)
    case 'F16':
      return bytesOf(new Float16Array(values))
    case 'BF16':
      return bytesOf(toBfloat16(values))
  }
}

function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const halves = new Uint16Array(values.length)
  for (let i = 0; i < halves.length; i++) {
    const value = bits[i]!
    const isNaN = (value & 0x7fffffff) > 0x7f800000
    // Rounding could carry a NaN's payload into infinity: NaNs are cut, and kept quiet.
    halves[i] = isNaN ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16
  }
  return halves
}

/** The f32 value of one half-precision number. */
export function halfToFloat(half: number): number {
  return halfTable[half]!
}

const halfTable = new Float32Array(new Float16Array(Uint16Array.from({ length: 1 << 16 }, (_, i) => i).buffer))

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** The bytes in a buffer that a typed array can lie over: copied only where they begin at an odd place. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const whole = bytes.byteOffset === 0 && bytes.buffer instanceof ArrayBuffer
  return whole ? bytes.buffer as ArrayBuffer : new Uint8Array(bytes).buffer
}
