export interface Turn {
  readonly role: string
  readonly text: string
}

/** A prompt as it was written: one user's turn, or messages. */
export function promptTurns(prompt: unknown): Turn[] {
  if (typeof prompt === 'string') return [{ role: 'user', text: prompt }]
  if (!Array.isArray(prompt)) return [{ role: 'prompt', text: JSON.stringify(prompt) }]
  return prompt.map((message: unknown) => {
    const { role, content } = (typeof message === 'object' && message !== null ? message : {}) as { readonly role?: unknown; readonly content?: unknown }
    return { role: typeof role === 'string' ? role : 'message', text: typeof content === 'string' ? content : JSON.stringify(content ?? message) }
  })
}
