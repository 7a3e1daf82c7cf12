/** Several files as one download, streamed: nothing is held in memory or written aside. */
import { open, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { Zip, ZipPassThrough } from 'fflate'

/** A file of an archive: `name` within it, `path` on the disk. */
export interface ArchiveFile {
  readonly name: string
  readonly path: string
}

export interface Archive {
  readonly body: ReadableStream
  /** undefined: not known before the end. */
  readonly bytes: number | undefined
}

interface OpenFile {
  readonly name: string
  readonly handle: FileHandle
  readonly bytes: number
  /** Milliseconds since 1970. */
  readonly changedAt: number
}

/** A .zip, stored without compression: weights do not shrink. For files below 4 GB, which is as far as fflate's zips go. */
export async function zipOf(files: readonly ArchiveFile[]): Promise<Archive> {
  const opened = await openAll(files)
  return { body: bodyOf(opened, zipped(opened)), bytes: undefined }
}

/** A .tar (POSIX ustar), for files of up to 8 GB each; its size is known before it is made. */
export async function tarOf(files: readonly ArchiveFile[]): Promise<Archive> {
  const opened = await openAll(files)
  const bytes = opened.reduce((sum, file) => sum + block + padded(file.bytes), 0) + 2 * block
  return { body: bodyOf(opened, tarred(opened)), bytes }
}

/** A file as it is. */
export async function fileOf(file: ArchiveFile): Promise<Archive> {
  const opened = await openAll([file])
  return { body: bodyOf(opened, contentOf(opened[0]!)), bytes: opened[0]!.bytes }
}

/** All are opened before the first byte is sent: what is missing is told in time, and what is replaced meanwhile is not mixed. */
async function openAll(files: readonly ArchiveFile[]): Promise<OpenFile[]> {
  const opened: OpenFile[] = []
  try {
    for (const { name, path } of files) {
      const handle = await open(path)
      const { size, mtimeMs } = await handle.stat()
      opened.push({ name, handle, bytes: size, changedAt: mtimeMs })
    }
    return opened
  } catch (error) {
    await closeAll(opened)
    throw error
  }
}

async function closeAll(files: readonly OpenFile[]): Promise<void> {
  await Promise.all(files.map(({ handle }) => handle.close()))
}

/** @param files closed when the body has been read, or is not wanted any more */
function bodyOf(files: readonly OpenFile[], pieces: AsyncGenerator<Uint8Array>): ReadableStream {
  const stream = Readable.from(pieces, { objectMode: false })
  stream.once('close', () => { void closeAll(files) })
  return Readable.toWeb(stream) as ReadableStream
}

async function* contentOf({ handle, bytes }: OpenFile): AsyncGenerator<Uint8Array> {
  if (bytes === 0) return
  yield* handle.createReadStream({ autoClose: false, end: bytes - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>
}

async function* zipped(files: readonly OpenFile[]): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = []
  const zip = new Zip((error, piece) => {
    if (error) throw error
    ready.push(piece)
  })
  for (const file of files) {
    const entry = new ZipPassThrough(file.name)
    entry.mtime = file.changedAt
    zip.add(entry)
    for await (const piece of contentOf(file)) {
      entry.push(piece)
      yield* ready.splice(0)
    }
    entry.push(new Uint8Array(), true)
  }
  zip.end()
  yield* ready
}

const block = 512

function padded(bytes: number): number {
  return Math.ceil(bytes / block) * block
}

async function* tarred(files: readonly OpenFile[]): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    yield tarHeader(file)
    yield* contentOf(file)
    yield new Uint8Array(padded(file.bytes) - file.bytes)
  }
  yield new Uint8Array(2 * block)
}

/** IEEE Std 1003.1-2017, pax, "ustar Interchange Format": numbers are octal texts, the checksum is over spaces in its own place. */
function tarHeader({ name, bytes, changedAt }: OpenFile): Uint8Array {
  const header = Buffer.alloc(block)
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')
  const slash = name.lastIndexOf('/')
  header.write(name.slice(slash + 1), 0, 100)
  header.write(octal(0o644, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(bytes, 11), 124)
  header.write(octal(Math.floor(changedAt / 1000), 11), 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  if (slash > 0) header.write(name.slice(0, slash), 345, 155)
  header.write(`${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148)
  return header
}
