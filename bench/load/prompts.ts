/** What the clients of a load ask: short and long prompts, prompts that begin with the same instructions, for several models. */

export interface LoadRequest {
  /** A word that no other prompt has. */
  readonly canary: string
  /** Base or adapter. */
  readonly model: string
  readonly messages: readonly { readonly role: 'system' | 'user'; readonly content: string }[]
  readonly maxTokens: number
}

const topics = [
  'the opening hours of the library', 'a parcel that came too late', 'how to plant tomatoes', 'the price of a train ticket', 'a lost suitcase', 'the history of bread',
  'why leaves turn red', 'a broken washing machine', 'the rules of chess', 'how bridges are built', 'a walk along the river', 'the weather of last week',
]

const passage = topics.map((topic, i) =>
  `Note ${i + 1} is about ${topic}. It was written by a colleague who asks us to read it with care, to keep what is true and to leave out the rest.`).join(' ')

const instructions = [
  'You answer questions of customers of a small shop for books and maps. Be polite and short. Never promise a date. Where you do not know something, say so and name the desk',
  'on the second floor, which is open from nine to five. Prices are in euros and include the tax. Maps can be returned within thirty days, books within fourteen, if they are as',
  'new. Do not speak of other shops. Repeat the reference of the customer in your answer, so that a colleague can find it.',
].join(' ')

/**
 * The models of a request take turns, and the kinds of prompts.
 * @param filler how many characters of what makes prompts long; all of it unless given
 */
export function loadRequests(count: number, models: readonly string[], filler?: number): LoadRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const canary = `${['amber', 'birch', 'coral', 'delta', 'ember', 'flint'][i % 6]!}${1000 + 37 * i}`
    const topic = topics[(7 * i) % topics.length]!
    return { canary, model: models[i % models.length]!, messages: messages(i, canary, topic, filler), maxTokens: 32 + 16 * (i % 3) }
  })
}

function messages(i: number, canary: string, topic: string, filler?: number): LoadRequest['messages'] {
  switch (Math.floor(i / 2) % 3) {
    case 0: return [{ role: 'user', content: `Write the word ${canary}, then one sentence about ${topic}.` }]
    case 1: return [{ role: 'user', content: `The reference is ${canary}. ${passage.slice(0, filler)} Write the reference, then summarize note ${1 + (i % topics.length)}.` }]
    default: return [{ role: 'system', content: instructions.slice(0, filler) }, { role: 'user', content: `My reference is ${canary}. I have a question about ${topic}.` }]
  }
}
