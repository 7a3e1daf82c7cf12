/** Uploaded files as rows. */
import type { NamedFile } from '../../data/read.ts'
import { UserError } from '../../errors.ts'
import type { UploadedRows } from '../../feedback/dataset-file.ts'
import type { DatasetSpec } from '../../feedback/dataset-spec.ts'
import type { Files } from '../../registry/files.ts'
import { fileSource } from '../../registry/job-folder.ts'
import { ApiError } from '../errors.ts'
import type { RowReader } from './row-reader.ts'

/** An uploaded file that has rows. @param param the key of the request that names it @throws ApiError where there is none */
export async function findRowFile(files: Files, id: string, param: string): Promise<NamedFile> {
  const file = await files.get(id)
  if (file === undefined) throw new ApiError(404, `No such File object: ${id}`, { param })
  if (file.purpose !== 'fine-tune') throw new ApiError(400, `${id} is for ${file.purpose}: only files for fine-tune have rows`, { param })
  const path = files.pathOf(file)
  return { path, name: file.filename, extension: fileSource(path, file.filename).extension }
}

/** Rows that come out of the reader's thread at once. */
const block = 500

/** The rows for a dataset. @throws UserError where the file has no rows, those of another kind, or more than the specification allows */
export async function* uploadedRows(reader: RowReader, file: NamedFile, { kind, options: { limit } }: DatasetSpec): UploadedRows {
  for (let from = 0; ; from += block) {
    const { kind: found, total, rows } = await reader.fileRows({ file, kind, from, limit: block })
    if (total === 0) throw new UserError(`${file.name}: there are no rows in it.`)
    if (total > limit) throw new UserError(`${file.name} has ${total} rows, and options.limit allows ${limit}`)
    if (found !== undefined && found !== kind) throw new UserError(`${file.name}: its rows are ${found}, not ${kind}`)
    yield rows
    if (from + block >= total) return
  }
}
