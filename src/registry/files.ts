/** Files that clients upload and that jobs write, as OpenAI's API has them. */
import { newId, type Row, type Store } from '../store/index.ts'
import { NotFoundError } from './errors.ts'

export type StoredFile = Row<'files'>

/** What a client may upload a file for; the server itself reads those for `fine-tune` alone. */
export const uploadPurposes = ['fine-tune', 'batch', 'user_data', 'evals', 'assistants', 'vision'] as const

export type FilePurpose = (typeof uploadPurposes)[number] | 'fine-tune-results'

export interface FileList {
  readonly purpose?: string | undefined
  readonly order?: 'asc' | 'desc' | undefined
  /** Id of the last file of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

export class Files {
  readonly #store: Store
  /** Content that two files share goes with the last of them: what adds a file and what removes one take turns. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(store: Store) {
    this.#store = store
  }

  static async open(store: Store): Promise<Files> {
    await store.blobs.sweep()
    return new Files(store)
  }

  /**
   * Streams a file to the disk; durable when the promise resolves.
   * @param about called when the content has come to its end, since a form may name the purpose after the file
   * @throws what `content` or `about` throws, with nothing kept
   */
  async add(
    content: AsyncIterable<Uint8Array>, about: () => { readonly filename: string; readonly purpose: FilePurpose; readonly id?: string },
  ): Promise<StoredFile> {
    const { sha256, bytes, keep, drop } = await this.#store.blobs.receive(content)
    return this.#inTurn(async () => {
      try {
        const { id = newId('file-'), filename, purpose } = about()
        const file: StoredFile = { id, created_at: Date.now(), filename, purpose, bytes, sha256 }
        await keep()
        await this.#store.write(this.#store.db.insertInto('files').values(file))
        return file
      } catch (error) {
        await drop()
        await this.#dropContent(sha256)
        throw error
      }
    })
  }

  async get(id: string): Promise<StoredFile | undefined> {
    return this.#store.db.selectFrom('files').selectAll().where('id', '=', id).executeTakeFirst()
  }

  /** A page of files, and whether there are more. @throws NotFoundError where there is no file `after` */
  async list({ purpose, order = 'desc', after, limit }: FileList): Promise<{ files: StoredFile[]; hasMore: boolean }> {
    let query = this.#store.db.selectFrom('files').selectAll().orderBy('id', order).limit(limit + 1)
    if (purpose !== undefined) query = query.where('purpose', '=', purpose)
    if (after !== undefined) {
      if (await this.get(after) === undefined) throw new NotFoundError(`There is no file ${after} to list after`)
      // Ids sort by the time of their making.
      query = query.where('id', order === 'desc' ? '<' : '>', after)
    }
    const files = await query.execute()
    return { files: files.slice(0, limit), hasMore: files.length > limit }
  }

  /** Where a file's content lies. */
  pathOf({ sha256 }: StoredFile): string {
    return this.#store.blobs.path(sha256)
  }

  /** Removes a file, and its content unless another file has the same. @throws NotFoundError */
  async remove(id: string): Promise<void> {
    await this.#inTurn(async () => {
      const file = await this.get(id)
      if (file === undefined) throw new NotFoundError(`There is no file ${id}`)
      await this.#store.write(this.#store.db.deleteFrom('files').where('id', '=', id))
      await this.#dropContent(file.sha256)
    })
  }

  async #dropContent(sha256: string): Promise<void> {
    const other = await this.#store.db.selectFrom('files').select('id').where('sha256', '=', sha256).executeTakeFirst()
    if (other === undefined) await this.#store.blobs.remove(sha256)
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }
}
