import { hrefTo } from '../../router.svelte.ts'
import type { Sampling } from './answer.svelte.ts'

/** All of the playground that its address holds. */
export interface Settings {
  /** Names of models, from the left; empty: those that are offered first. */
  readonly models: readonly string[]
  /** What the composer begins with. */
  readonly prompt: string
  readonly system: string
  readonly sampling: Sampling
  readonly blind: boolean
  /** The conversation that is under way. */
  readonly chat: ChatPlace | undefined
}

export interface ChatPlace {
  readonly id: string
  /** The columns' numbers, from the left. */
  readonly columns: readonly number[]
}

/** Enough for most answers; a model that does not find its end is stopped. */
export const defaults = { temperature: 0.7, max_tokens: 512 } as const

export const mostModels = 4

export function settingsIn(query: URLSearchParams): Settings {
  const number = (key: string): number | undefined => {
    const text = query.get(key) ?? ''
    return text.trim() === '' || !Number.isFinite(Number(text)) ? undefined : Number(text)
  }
  return {
    models: query.getAll('model').slice(0, mostModels),
    prompt: query.get('prompt') ?? '',
    system: query.get('system') ?? '',
    sampling: {
      temperature: number('temperature') ?? defaults.temperature, max_tokens: number('max_tokens') ?? defaults.max_tokens, seed: number('seed'),
    },
    blind: query.get('hide') === 'names',
    chat: chatIn(query.get('chat') ?? ''),
  }
}

/** `playground-abc.0.2` */
function chatIn(text: string): ChatPlace | undefined {
  const [id = '', ...columns] = text.split('.')
  const isPlace = id !== '' && columns.length <= mostModels && columns.every((column) => /^\d{1,3}$/.test(column))
  return isPlace ? { id, columns: columns.map(Number) } : undefined
}

/** The address of these settings; what is as usual is left out. */
export function hrefOf({ models, prompt, system, sampling: { temperature, max_tokens, seed }, blind, chat }: Settings): string {
  return hrefTo('playground', [], {
    model: models,
    prompt: prompt === '' ? undefined : prompt,
    system: system === '' ? undefined : system,
    temperature: temperature === defaults.temperature ? undefined : textOf(temperature),
    max_tokens: max_tokens === defaults.max_tokens ? undefined : textOf(max_tokens),
    seed: textOf(seed),
    hide: blind ? 'names' : undefined,
    chat: chat && [chat.id, ...chat.columns].join('.'),
  })
}

function textOf(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}
