import type { Method } from './method.ts'
import { sft } from './sft.ts'

/** Every training method, by the name that recipes use. */
export const methods: Readonly<Record<string, Method>> = { sft }
