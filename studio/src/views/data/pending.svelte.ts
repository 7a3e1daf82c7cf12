import { parseEdits, type Edits } from './edits.ts'

/** Edits of one version that wait to be saved. They outlive a reload, and end with the tab. */
export class Pending {
  readonly #storage: string
  #edits = $state.raw<Edits>({})

  /** @param reference `dataset:NAME@VERSION` */
  constructor(reference: string) {
    this.#storage = `posttrain-edits ${reference}`
    this.#edits = parseEdits(sessionStorage.getItem(this.#storage))
  }

  get edits(): Edits {
    return this.#edits
  }

  set edits(edits: Edits) {
    this.#edits = edits
    if (Object.keys(edits).length === 0) sessionStorage.removeItem(this.#storage)
    else sessionStorage.setItem(this.#storage, JSON.stringify(edits))
  }
}
