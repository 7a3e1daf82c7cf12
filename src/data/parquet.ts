import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { UserError, messageOf } from '../errors.ts'

/** Snappy is the library's own; these are Node's. */
const compressors = {
  GZIP: (bytes: Uint8Array): Uint8Array => gunzipSync(bytes),
  BROTLI: (bytes: Uint8Array): Uint8Array => brotliDecompressSync(bytes),
  ZSTD: (bytes: Uint8Array): Uint8Array => zstdDecompressSync(bytes),
}

/**
 * The rows of a Parquet file as plain objects. A column, or a field of a struct, that is null in a row is left out of
 * it: the format has every field in every row. Throws a UserError where the file is damaged.
 */
export async function readParquet(bytes: Uint8Array<ArrayBuffer>, file: string): Promise<unknown[]> {
  try {
    const rows = await parquetReadObjects({ file: sliceOf(bytes), compressors })
    return rows.map(plain)
  } catch (error) {
    throw new UserError(`${file}: not a Parquet file that can be read (${messageOf(error)}).`, { exitCode: 2, cause: error })
  }
}

/** The file's bytes alone: Node may keep a small one in a buffer that it shares with others. */
function sliceOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + byteLength)
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) => (field === null || field === undefined ? [] : [[key, plain(field)]])),
  )
}
