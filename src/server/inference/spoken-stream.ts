const opening = '<tool_call>'

/** The text of a streamed answer that cannot come to belong to a call (src/server/tools.ts reads them when all is there). */
export class SpokenStream {
  #text = ''
  #sent = 0

  /** @returns what can be sent now, often ''; space before a call is not sent */
  push(text: string): string {
    this.#text += text
    const at = this.#text.indexOf(opening, this.#sent)
    const end = this.#text.slice(0, at >= 0 ? at : this.#text.length - heldBack(this.#text)).trimEnd().length
    const piece = this.#text.slice(this.#sent, Math.max(end, this.#sent))
    this.#sent += piece.length
    return piece
  }

  /** @param content of the whole answer @returns what of it was not sent */
  rest(content: string | null): string {
    return (content ?? '').slice(this.#sent)
  }
}

/** How much of a text's end may be the beginning of a call. */
function heldBack(text: string): number {
  for (let length = Math.min(opening.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(opening.slice(0, length))) return length
  }
  return 0
}
