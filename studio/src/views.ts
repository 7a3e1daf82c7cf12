import type { Component } from 'svelte'

export interface View {
  /** The first part of its address. */
  readonly name: string
  readonly title: string
  /** Loaded when it is first gone to. */
  load(): Promise<{ readonly default: Component }>
}

export interface ViewGroup {
  readonly title: string
  readonly views: readonly View[]
}

/** All views, in the order of the menu: from understanding to serving. */
export const groups: readonly ViewGroup[] = [
  {
    title: 'Understand',
    views: [
      { name: 'map', title: 'Map', load: () => import('./views/map/Map.svelte') },
      { name: 'guide', title: 'Guide', load: () => import('./views/guide/Guide.svelte') },
    ],
  },
  {
    title: 'Listen',
    views: [
      { name: 'playground', title: 'Playground', load: () => import('./views/playground/Playground.svelte') },
      { name: 'inbox', title: 'Feedback', load: () => import('./views/inbox/Inbox.svelte') },
      { name: 'data', title: 'Data', load: () => import('./views/data/Data.svelte') },
    ],
  },
  {
    title: 'Train',
    views: [
      { name: 'new-job', title: 'New job', load: () => import('./views/new-job/NewJob.svelte') },
      { name: 'runs', title: 'Runs', load: () => import('./views/runs/Runs.svelte') },
    ],
  },
  {
    title: 'Ship',
    views: [
      { name: 'evaluation', title: 'Evaluation', load: () => import('./views/evaluation/Evaluation.svelte') },
      { name: 'adapters', title: 'Adapters', load: () => import('./views/adapters/Adapters.svelte') },
    ],
  },
]

export const views: readonly View[] = groups.flatMap(({ views }) => views)
