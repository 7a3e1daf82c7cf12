/** One turn of a conversation. */
export interface Message {
  readonly role: string
  readonly content: string
}

/** Text to token ids and back, and the model's chat template. */
export interface Tokenizer {
  readonly vocabSize: number
  /** Undefined where the model has no chat template. */
  readonly hasTemplate: boolean
  /**
   * Token ids of `text`, with no beginning-of-sequence token added.
   * Control tokens written out in the text (`<|im_end|>`) become ordinary characters unless `control` is true.
   */
  encode(text: string, options?: { control?: boolean }): number[]
  /** Text of `ids`; control tokens are left out unless `control` is true. */
  decode(ids: readonly number[], options?: { control?: boolean }): string
  /** Token ids of the conversation as the chat template renders it; the messages' text cannot form control tokens. */
  encodeChat(messages: readonly Message[], options: { generationPrompt: boolean }): number[]
  /** The conversation as the chat template renders it, for people to read. */
  renderChat(messages: readonly Message[], options: { generationPrompt: boolean }): string
  readonly bosTokenId: number | undefined
  readonly eosTokenId: number | undefined
}
