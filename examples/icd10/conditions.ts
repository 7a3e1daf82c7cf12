/** A code of ICD-10-CM (2018) and the ways in which people write what it stands for. */
export interface Condition {
  readonly code: string
  readonly title: string
  /** Noun phrases that fit any sentence: lay names, synonyms, abbreviations. The title is one more. */
  readonly names: readonly string[]
  /** Free wordings to train on. */
  readonly notes: readonly string[]
  /** Wordings kept out of training: a clinician's and a patient's. */
  readonly heldout: readonly [string, string]
}

/** The codes to train: common conditions, each unlike the others. */
export const trained: readonly Condition[] = [
  {
    code: 'I10', title: 'Essential (primary) hypertension',
    names: ['high blood pressure', 'HTN', 'essential hypertension', 'primary hypertension'],
    notes: ['Blood pressure 160/95 at three visits.', 'my blood pressure is too high', 'Hypertensive, started on lisinopril.', 'BP still elevated, hypertension', 'he takes pills for high BP', 'hypertension, no other disease'],
    heldout: ['Longstanding hypertension, well controlled on amlodipine.', 'The nurse said my blood pressure was high again.'],
  },
  {
    code: 'E11.9', title: 'Type 2 diabetes mellitus without complications',
    names: ['type 2 diabetes', 'T2DM', 'adult-onset diabetes', 'diabetes mellitus type II'],
    notes: ['Diabetic on metformin, no complications.', 'I have sugar diabetes', 'DM2, A1c 6.9, eyes and kidneys fine', 'diabetes, not on insulin', 'she is a type 2 diabetic', 'Blood sugar high, type two diabetes.'],
    heldout: ['T2DM on metformin, A1c at goal, no complications seen.', 'I was told I have diabetes, the type 2 kind.'],
  },
  {
    code: 'E78.5', title: 'Hyperlipidemia, unspecified',
    names: ['high cholesterol', 'HLD', 'hyperlipidemia', 'raised blood lipids'],
    notes: ['LDL 180, started a statin.', 'my cholesterol is too high', 'Lipids elevated, on atorvastatin.', 'hyperlipidaemia on simvastatin', 'too much fat in the blood', 'Cholesterol 290 on the lab sheet.'],
    heldout: ['Hyperlipidemia, continue rosuvastatin.', 'The lab says my cholesterol is high.'],
  },
  {
    code: 'F32.9', title: 'Major depressive disorder, single episode, unspecified',
    names: ['depression', 'MDD', 'major depression', 'clinical depression'],
    notes: ['Depressed mood for two months, first episode.', 'I feel depressed and hopeless', 'Low mood, started sertraline for depression.', 'he is depressed and sleeps badly', 'depressive episode, no mania', 'single depressive episode'],
    heldout: ['First episode of major depression, PHQ-9 of 16.', 'She has been very depressed since the spring.'],
  },
  {
    code: 'M54.5', title: 'Low back pain',
    names: ['LBP', 'lumbago', 'lower back ache', 'lumbar pain'],
    notes: ['Back hurts low down after lifting boxes.', 'my lower back hurts', 'Lumbar ache, no leg symptoms.', 'pain in the low back for a week', 'sore lower back, cannot bend', 'Lumbago since gardening.'],
    heldout: ['LBP for three weeks, no red flags, no sciatica.', 'My lower back has been hurting since I moved house.'],
  },
  {
    code: 'I50.9', title: 'Heart failure, unspecified',
    names: ['CHF', 'congestive heart failure', 'cardiac failure', 'failing heart'],
    notes: ['Ejection fraction 30%, on furosemide, heart failure.', 'my heart is failing', 'Decompensated HF, leg swelling.', 'heart too weak to pump', 'Failure of the heart, BNP high.', 'HF, fluid overload'],
    heldout: ['Known CHF, now volume overloaded, diuresis started.', 'They say my heart is failing and does not pump well.'],
  },
  {
    code: 'I21.9', title: 'Acute myocardial infarction, unspecified',
    names: ['heart attack', 'acute MI', 'myocardial infarction', 'AMI'],
    notes: ['Troponin positive, acute MI.', 'my father had a heart attack last night', 'Rushed in with a heart attack.', 'infarct of the heart muscle', 'MI today, taken to the cath lab', 'Myocardial infarct, type not given.'],
    heldout: ['Crushing pain, troponin rising: acute myocardial infarction.', 'He collapsed at work with a heart attack.'],
  },
  {
    code: 'E66.9', title: 'Obesity, unspecified',
    names: ['obesity', 'being obese', 'adiposity', 'obese state'],
    notes: ['BMI 36, obese.', 'I am obese and want to lose weight', 'Weighs 130 kg, obesity.', 'Obese, diet advice given.', 'far too heavy, BMI 38', 'obese patient, cause not stated'],
    heldout: ['Obese, BMI 34, referred to the dietitian.', 'My doctor says that I am obese.'],
  },
  {
    code: 'R51', title: 'Headache',
    names: ['head pain', 'headache', 'cephalgia', 'sore head'],
    notes: ['Head hurts since the morning.', 'my head aches all day', 'Cephalgia, scan normal.', 'pain in the head, no migraine', 'bad headaches at work', 'HA for two days'],
    heldout: ['Dull headache for three days, neuro exam normal.', 'My head hurts and will not stop aching.'],
  },
  {
    code: 'R05', title: 'Cough',
    names: ['dry cough', 'coughing', 'hacking cough', 'tussis'],
    notes: ['Coughing for two weeks, chest film clear.', 'I cannot stop coughing', 'Cough at night, lungs clear.', 'child coughs all night', 'a cough that will not go away', 'coughs, no fever'],
    heldout: ['Persistent cough, no infiltrate on x-ray.', 'My son keeps coughing at night.'],
  },
  {
    code: 'R50.9', title: 'Fever, unspecified',
    names: ['fever', 'pyrexia', 'high temperature', 'febrile state'],
    notes: ['Temp 39.4, no source found.', 'my baby is hot, 39 degrees', 'Febrile, cultures pending.', 'running a temperature', 'Fever of unknown cause since Monday.', 'feverish, temperature up'],
    heldout: ['Febrile to 39.1, no source of the fever yet.', 'She is running a high temperature.'],
  },
  {
    code: 'R11.2', title: 'Nausea with vomiting, unspecified',
    names: ['nausea and vomiting', 'N/V', 'nausea with emesis', 'vomiting with nausea'],
    notes: ['Nauseated, vomited four times.', 'I feel sick and keep throwing up', 'N+V since last night.', 'queasy and vomiting', 'sick to the stomach and throwing up', 'nauseous, then vomits'],
    heldout: ['N/V x2 days, tolerating sips of water.', 'I feel sick and I have been throwing up all day.'],
  },
  {
    code: 'R42', title: 'Dizziness and giddiness',
    names: ['dizziness', 'vertigo', 'lightheadedness', 'giddiness'],
    notes: ['Dizzy when standing up.', 'the room is spinning', 'Light-headed all week.', 'I feel dizzy and giddy', 'Vertigo, hearing normal.', 'dizzy spells'],
    heldout: ['Vertigo on turning in bed, no hearing loss.', 'I get dizzy whenever I stand up.'],
  },
  {
    code: 'L20.9', title: 'Atopic dermatitis, unspecified',
    names: ['eczema', 'atopic eczema', 'atopic dermatitis', 'AD of the skin'],
    notes: ['Itchy eczema on both elbows.', 'my child has eczema', 'Dry itchy patches, atopic skin.', 'Eczema flare, steroid cream.', 'atopic dermatitis of hands', 'itchy dry skin since infancy, eczema'],
    heldout: ['Flare of atopic eczema behind the knees.', 'The eczema on my arms itches a lot.'],
  },
  {
    code: 'M10.9', title: 'Gout, unspecified',
    names: ['gout', 'gout attack', 'gouty joint', 'acute gout'],
    notes: ['Red hot big toe, uric acid 9, gout.', 'my toe hurts from gout', 'Gout flare, on colchicine.', 'uric acid crystals, gouty toe', 'on allopurinol for gout', 'gouty attack in the foot'],
    heldout: ['Acute gout of the big toe, colchicine started.', 'My gout is back, the toe is red and swollen.'],
  },
  {
    code: 'Z23', title: 'Encounter for immunization',
    names: ['vaccination', 'flu shot', 'immunization visit', 'vaccine'],
    notes: ['Here for a tetanus shot.', 'I came to get vaccinated', 'Vaccine given, no problems.', 'baby gets her shots today', 'needs immunization, healthy', 'jab against flu'],
    heldout: ['Healthy, here for influenza vaccine only.', 'My baby is due for her shots.'],
  },
  {
    code: 'I63.9', title: 'Cerebral infarction, unspecified',
    names: ['stroke', 'ischemic stroke', 'CVA', 'brain infarct'],
    notes: ['Sudden left weakness, infarct on MRI of the brain.', 'grandma had a stroke', 'Acute stroke, clot in the brain.', 'Cerebral infarct, cause unclear.', 'stroke with slurred speech', 'CVA, out of window for lysis'],
    heldout: ['MRI confirms ischemic stroke, source unknown.', 'My mother had a stroke and cannot speak well.'],
  },
  {
    code: 'A41.9', title: 'Sepsis, unspecified organism',
    names: ['sepsis', 'septicemia', 'blood poisoning', 'septic state'],
    notes: ['Septic, lactate 4, organism unknown.', 'he has blood poisoning', 'Sepsis, broad antibiotics started.', 'septic with low pressure', 'infection spread to the blood', 'meets sepsis criteria, cultures negative'],
    heldout: ['Admitted to ICU with sepsis, cultures pending.', 'They told us that it was blood poisoning.'],
  },
  {
    code: 'C61', title: 'Malignant neoplasm of prostate',
    names: ['prostate cancer', 'prostate CA', 'carcinoma of the prostate', 'cancer of the prostate'],
    notes: ['PSA 22, biopsy shows cancer of prostate.', 'my dad has cancer in his prostate', 'Prostatic adenocarcinoma, Gleason 7.', 'malignant prostate tumor', 'prostate ca on hormone therapy', 'prostate carcinoma, radiation planned'],
    heldout: ['Adenocarcinoma of the prostate, for surgery.', 'My husband has prostate cancer.'],
  },
  {
    code: 'H26.9', title: 'Unspecified cataract',
    names: ['cataract', 'cataracts', 'clouded lens', 'lens opacity'],
    notes: ['Cloudy lens in the right eye.', 'I see badly because of a cataract', 'Cataract, surgery planned.', 'lens of the eye is cloudy', 'vision blurred by cataracts', 'opaque lens, type not stated'],
    heldout: ['Cataract of the left eye, listed for surgery.', 'The eye doctor found cataracts in my eyes.'],
  },
  {
    code: 'G20', title: "Parkinson's disease",
    names: ['Parkinson disease', 'PD', 'parkinsonism', 'shaking palsy'],
    notes: ['Rest tremor and rigidity, on levodopa.', 'my uncle has Parkinsons', 'Parkinson, shuffling gait.', 'tremor, slow walk, PD', 'parkinsonian tremor at rest', 'paralysis agitans'],
    heldout: ['Parkinson disease, levodopa dose increased.', 'My aunt shakes because of her Parkinsons.'],
  },
  {
    code: 'G35', title: 'Multiple sclerosis',
    names: ['MS', 'multiple sclerosis', 'disseminated sclerosis', 'relapsing MS'],
    notes: ['Demyelinating lesions on MRI, MS.', 'my sister has MS', 'Relapse of multiple sclerosis.', 'on interferon for MS', 'sclerosis, multiple, optic neuritis before', 'MS with numb legs'],
    heldout: ['New relapse of MS with leg weakness.', 'I was diagnosed with multiple sclerosis.'],
  },
  {
    code: 'R55', title: 'Syncope and collapse',
    names: ['fainting', 'syncope', 'a faint', 'passing out'],
    notes: ['Fainted in church, ECG normal.', 'I passed out for a minute', 'Syncopal episode, now well.', 'she fainted at the bus stop', 'collapsed and came round at once', 'blacked out briefly'],
    heldout: ['Syncope while standing, full recovery.', 'My daughter fainted at school.'],
  },
  {
    code: 'B02.9', title: 'Zoster without complications',
    names: ['shingles', 'herpes zoster', 'zoster', 'shingles rash'],
    notes: ['Painful blisters in a band on the chest, shingles.', 'I think I have shingles', 'Zoster, started valacyclovir.', 'HZ rash on one side', 'one-sided blisters, zoster', 'shingles on the back, no complication'],
    heldout: ['Herpes zoster over the left ribs, uncomplicated.', 'The rash on my side is shingles.'],
  },
  {
    code: 'B01.9', title: 'Varicella without complication',
    names: ['chickenpox', 'varicella', 'chicken pox', 'VZV, primary'],
    notes: ['Itchy blisters all over, chickenpox.', 'my son caught chickenpox', 'Varicella in a child, no pneumonia.', 'chickenpox at kindergarten', 'spots of varicella', 'pox, chicken, mild'],
    heldout: ['Five-year-old with varicella, mild course.', 'My little girl came home with chickenpox.'],
  },
  {
    code: 'M06.9', title: 'Rheumatoid arthritis, unspecified',
    names: ['RA', 'rheumatoid arthritis', 'rheumatoid disease', 'inflammatory rheumatoid arthritis'],
    notes: ['Swollen knuckles, anti-CCP positive, RA.', 'my hands are stiff from rheumatoid arthritis', 'Rheumatoid, on methotrexate.', 'rheumatoid joints in both hands', 'RA flare, steroids', 'arthritis, rheumatoid'],
    heldout: ['Rheumatoid arthritis, stable on methotrexate.', 'My rheumatoid arthritis is bad in the mornings.'],
  },
  {
    code: 'J00', title: 'Acute nasopharyngitis [common cold]',
    names: ['common cold', 'head cold', 'a cold', 'acute nasopharyngitis'],
    notes: ['Runny nose and sneezing, just a cold.', 'I caught a cold', 'Nasopharyngitis, rest advised.', 'stuffy nose, common cold', 'sniffles and sneezing', 'coryza for two days'],
    heldout: ['Simple common cold, no antibiotics needed.', 'I have a cold and my nose is running.'],
  },
  {
    code: 'R07.9', title: 'Chest pain, unspecified',
    names: ['chest pain', 'CP', 'pain in the chest', 'thoracic pain'],
    notes: ['Chest hurts, ECG normal.', 'my chest hurts', 'Chest pain ruled out for MI.', 'tight aching chest, troponin negative', 'sharp pain in chest when resting', 'CP, cause unclear'],
    heldout: ['Chest pain, work-up negative, cause not found.', 'I have had pain in my chest since noon.'],
  },
  {
    code: 'K37', title: 'Unspecified appendicitis',
    names: ['appendicitis', 'inflamed appendix', 'infected appendix', 'appy'],
    notes: ['Right lower belly pain, CT shows appendicitis.', 'my appendix is inflamed', 'Appendicitis, to theatre tonight.', 'appendix must come out', 'swollen appendix on ultrasound', 'appendicitis, not said if acute'],
    heldout: ['CT consistent with appendicitis, surgery consulted.', 'They want to take out my inflamed appendix.'],
  },
  {
    code: 'R19.7', title: 'Diarrhea, unspecified',
    names: ['diarrhea', 'loose stools', 'watery stools', 'the runs'],
    notes: ['Six loose stools a day.', 'I have had diarrhoea since Sunday', 'Watery diarrhea, no blood.', 'runny stools after travel', 'stool loose and frequent', 'cannot leave the toilet, diarrhea'],
    heldout: ['Watery stools x4 days, stool culture negative.', 'My toddler has diarrhea again.'],
  },
]

/** Codes that are never trained: only the form of the answer is to carry over to them. */
export const unseen: readonly Pick<Condition, 'code' | 'title' | 'heldout'>[] = [
  { code: 'H40.9', title: 'Unspecified glaucoma', heldout: ['Glaucoma, on timolol drops.', 'My optician says I have glaucoma.'] },
  { code: 'R31.9', title: 'Hematuria, unspecified', heldout: ['Gross hematuria, cystoscopy planned.', 'There is blood in my urine.'] },
  { code: 'I73.9', title: 'Peripheral vascular disease, unspecified', heldout: ['PVD with calf claudication.', 'The blood vessels in my legs are narrow.'] },
  { code: 'J30.9', title: 'Allergic rhinitis, unspecified', heldout: ['Allergic rhinitis, nasal steroid given.', 'I sneeze from an allergy every spring.'] },
  { code: 'M32.9', title: 'Systemic lupus erythematosus, unspecified', heldout: ['Known SLE, on hydroxychloroquine.', 'My cousin has lupus.'] },
  { code: 'F31.9', title: 'Bipolar disorder, unspecified', heldout: ['Bipolar disorder, stable on lithium.', 'He has manic highs and deep lows.'] },
  { code: 'A90', title: 'Dengue fever [classical dengue]', heldout: ['Dengue, platelets falling.', 'I came back from the tropics with dengue fever.'] },
  { code: 'M79.7', title: 'Fibromyalgia', heldout: ['Fibromyalgia, on duloxetine.', 'My whole body aches, they call it fibromyalgia.'] },
  { code: 'B86', title: 'Scabies', heldout: ['Scabies, permethrin prescribed.', 'The whole family itches from scabies mites.'] },
  { code: 'J40', title: 'Bronchitis, not specified as acute or chronic', heldout: ['Bronchitis, chest clear on x-ray.', 'The doctor said that I have bronchitis.'] },
]
