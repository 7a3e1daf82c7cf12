/** The literature that the guide rests on. */
export interface Reference {
  readonly title: string
  /** Family names; more than two are the first and "et al." */
  readonly authors: string
  readonly year: number
  readonly url: string
}

const arxiv = (id: string): string => `https://arxiv.org/abs/${id}`

/** By the key that techniques and claims name them by. */
export const references = {
  'instructgpt': { title: 'Training language models to follow instructions with human feedback', authors: 'Ouyang et al.', year: 2022, url: arxiv('2203.02155') },
  'flan': { title: 'Finetuned Language Models Are Zero-Shot Learners', authors: 'Wei et al.', year: 2022, url: arxiv('2109.01652') },
  'domain-pretraining': { title: 'Don’t Stop Pretraining: Adapt Language Models to Domains and Tasks', authors: 'Gururangan et al.', year: 2020, url: arxiv('2004.10964') },
  'lima': { title: 'LIMA: Less Is More for Alignment', authors: 'Zhou et al.', year: 2023, url: arxiv('2305.11206') },
  'ifd': { title: 'From Quantity to Quality: Boosting LLM Performance with Self-Guided Data Selection for Instruction Tuning', authors: 'Li et al.', year: 2024, url: arxiv('2308.12032') },
  'superfiltering': { title: 'Superfiltering: Weak-to-Strong Data Filtering for Fast Instruction-Tuning', authors: 'Li et al.', year: 2024, url: arxiv('2402.00530') },
  'lora': { title: 'LoRA: Low-Rank Adaptation of Large Language Models', authors: 'Hu et al.', year: 2021, url: arxiv('2106.09685') },
  'lora-learns-less': { title: 'LoRA Learns Less and Forgets Less', authors: 'Biderman et al.', year: 2024, url: arxiv('2405.09673') },
  'qlora': { title: 'QLoRA: Efficient Finetuning of Quantized LLMs', authors: 'Dettmers et al.', year: 2023, url: arxiv('2305.14314') },
  's-lora': { title: 'S-LoRA: Serving Thousands of Concurrent LoRA Adapters', authors: 'Sheng et al.', year: 2023, url: arxiv('2311.03285') },
  'punica': { title: 'Punica: Multi-Tenant LoRA Serving', authors: 'Chen et al.', year: 2023, url: arxiv('2310.18547') },
  'dpo': { title: 'Direct Preference Optimization: Your Language Model is Secretly a Reward Model', authors: 'Rafailov et al.', year: 2023, url: arxiv('2305.18290') },
  'dpo-or-ppo': { title: 'Is DPO Superior to PPO for LLM Alignment? A Comprehensive Study', authors: 'Xu et al.', year: 2024, url: arxiv('2404.10719') },
  'kto': { title: 'KTO: Model Alignment as Prospect Theoretic Optimization', authors: 'Ethayarajh et al.', year: 2024, url: arxiv('2402.01306') },
  'helpful-harmless': { title: 'Training a Helpful and Harmless Assistant with Reinforcement Learning from Human Feedback', authors: 'Bai et al.', year: 2022, url: arxiv('2204.05862') },
  'ppo': { title: 'Proximal Policy Optimization Algorithms', authors: 'Schulman et al.', year: 2017, url: arxiv('1707.06347') },
  'grpo': { title: 'DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models', authors: 'Shao et al.', year: 2024, url: arxiv('2402.03300') },
  'deepseek-r1': { title: 'DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via Reinforcement Learning', authors: 'Guo et al.', year: 2025, url: arxiv('2501.12948') },
} as const satisfies Readonly<Record<string, Reference>>

export type ReferenceId = keyof typeof references
