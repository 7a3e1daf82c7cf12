/** The answers that a filter lets through, page after page, and whether there are newer ones. */
import { call, type CallError } from '../../api/client.ts'
import type { WireInboxFilter, WireInboxItem, WireInboxPage } from '../../../../src/server/routes/inbox-wire.ts'

const pageSize = 50

export class AnswerList {
  #items = $state.raw<readonly WireInboxItem[]>([])
  #next = $state.raw<string | null>(null)
  #loading = $state(true)
  #error = $state.raw<CallError>()
  #newer = $state(0)
  #filter: WireInboxFilter = {}
  #life = new AbortController()

  /** The newest first. What is judged meanwhile stays where it is, though the filter no longer lets it through. */
  get items(): readonly WireInboxItem[] { return this.#items }
  get hasMore(): boolean { return this.#next !== null }
  get loading(): boolean { return this.#loading }
  get error(): CallError | undefined { return this.#error }
  /** How many have arrived since; a page of them means that there may be more. */
  get newer(): number { return this.#newer }
  readonly mostNewer = pageSize

  /** Begins with the newest. */
  async load(filter: WireInboxFilter): Promise<void> {
    this.#filter = filter
    this.#life.abort()
    this.#life = new AbortController()
    await this.#read(undefined)
  }

  async more(): Promise<void> {
    if (!this.#loading && this.#next !== null) await this.#read(this.#next)
  }

  async #read(after: string | undefined): Promise<void> {
    const { signal } = this.#life
    this.#loading = true
    this.#error = undefined
    try {
      const page = await this.#page(after, signal)
      this.#items = after === undefined ? page.data : [...this.#items, ...page.data]
      this.#next = page.next
      if (after === undefined) this.#newer = 0
      this.#loading = false
    } catch (error) {
      if (signal.aborted) return
      this.#error = error as CallError
      this.#loading = false
    }
  }

  /** Counts what has arrived; where there was nothing yet, it is shown. */
  async check(): Promise<void> {
    if (this.#loading || document.hidden) return
    const { signal } = this.#life
    const page = await this.#page(undefined, signal).catch(() => undefined)
    if (page === undefined || signal.aborted) return
    const first = this.#items[0]
    if (first === undefined) await this.#read(undefined)
    else this.#newer = page.data.filter(({ created_at: time, id }) => time >= first.created_at && !this.has(id)).length
  }

  has(id: string): boolean {
    return this.#items.some((item) => item.id === id)
  }

  find(id: string): WireInboxItem | undefined {
    return this.#items.find((item) => item.id === id)
  }

  /** Reads items again of which something was said. */
  async refresh(ids: readonly string[]): Promise<void> {
    for (const id of ids.filter((each) => this.has(each))) {
      const now = await call<WireInboxItem>(`/v1/inbox/completions/${encodeURIComponent(id)}`)
      this.#items = this.#items.map((item) => (item.id === id ? now : item))
    }
  }

  async #page(after: string | undefined, signal: AbortSignal): Promise<WireInboxPage> {
    return await call<WireInboxPage>('/v1/inbox', { body: { filter: this.#filter, limit: pageSize, ...(after !== undefined && { after }) }, signal })
  }

  close(): void {
    this.#life.abort()
  }
}
