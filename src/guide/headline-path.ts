import type { ReferenceId } from './references.ts'
import type { TechniqueId } from './techniques.ts'

/** A stage of the way that most teams should take. */
export interface Stage {
  readonly id: 'demonstrate' | 'prefer' | 'reinforce'
  readonly title: string
  readonly techniques: readonly TechniqueId[]
  readonly when: string
  /** When it has given what it can, and the next stage is due. */
  readonly until: string
}

/** From the first row to reinforcement, each stage only when the one before it has given what it can. */
export const headlinePath: readonly Stage[] = [
  {
    id: 'demonstrate', title: 'SFT with LoRA first', techniques: ['sft', 'lora'],
    when: 'There are answers to learn from: a few hundred good ones will do.',
    until: 'Held-out loss has levelled off, and what is still wrong is a matter of taste, or people have begun to judge answers.',
  },
  {
    id: 'prefer', title: 'DPO or KTO once there is signal', techniques: ['dpo', 'kto'],
    when: 'People compare answers or correct them (DPO), or give thumbs (KTO).',
    until: 'More feedback no longer moves the held-out margin: the offline method has plateaued.',
  },
  {
    id: 'reinforce', title: 'RLHF or GRPO only after a plateau', techniques: ['rlhf', 'grpo'],
    when: 'An offline method has plateaued, and a reward can be computed (GRPO) or learned (RLHF).',
    until: 'The reward of held-out answers stops rising, or rises while people like the answers less.',
  },
]

/** What supervised fine-tuning is for, which says what rows it needs. */
export interface TuningGoal {
  readonly id: 'instruction' | 'domain'
  readonly title: string
  readonly when: string
  readonly references: readonly ReferenceId[]
}

export const tuningGoals: readonly TuningGoal[] = [
  {
    id: 'instruction', title: 'Instruction tuning',
    when: 'The goal is general instruction-following: many kinds of tasks, each with few rows.', references: ['flan', 'instructgpt'],
  },
  {
    id: 'domain', title: 'Domain fine-tuning',
    when: 'The goal is specialization: one kind of task, in many wordings, with some general rows against forgetting.', references: ['domain-pretraining'],
  },
]
