# What may be decided without a person, in the words of the business.
#
# The policy sees facts, not probabilities: `input.queue` is the predicted queue, `input.band` says how sure the model is
# (high, middle, low or none), `input.proposed` is the verdict by thresholds, costs and modes. Beside them stand
# `input.priority`, `input.channel`, `input.language`, the customer's plan, segment and autopay under `input.customer`, and
# `input.flags`. A fact that is not known is null or absent, and then a rule that needs it says nothing.
#
# It has the last word, and may only make a verdict more careful: automate -> draft -> review. Each rule has a name, which
# people read in the reason of a decision. Several may speak: then all of their names are given.
#
# `aios automation check` compiles this file and asks it for every queue. Answers must be the same whenever they are asked
# for, since decisions are replayed: clocks, random numbers and HTTP are refused.
package aios.policy

import rego.v1

# --- always a person ----------------------------------------------------------------------------------------------------

# A fraud report by a company is the start of an investigation, not a ticket to be sorted.
to_people contains "enterprise_fraud_to_people" if {
	input.queue == "fraud"
	input.customer.segment == "enterprise"
}

# Losing one of these customers costs more than a year of triage.
to_people contains "enterprise_cancellation_to_people" if {
	input.queue == "cancellation"
	input.customer.segment == "enterprise"
}

# Formal complaints have legal deadlines; an urgent one is read by a person at once.
to_people contains "urgent_complaint_to_people" if {
	input.queue == "complaint"
	input.priority == "urgent"
}

# --- a suggestion at most -----------------------------------------------------------------------------------------------

# The model has seen few texts in other languages; its certainty there is not worth as much.
at_most_draft contains "other_language_at_most_draft" if {
	is_string(input.language)
	not startswith(lower(input.language), "en")
}

# Whoever pays for the best plans is not moved about by a machine when they want to leave.
at_most_draft contains "premium_cancellation_at_most_draft" if {
	input.queue == "cancellation"
	input.customer.plan in {"premium", "business"}
}

# --- the answer ---------------------------------------------------------------------------------------------------------

decision := {"verdict": "review", "rule": concat("+", sort(to_people))} if {
	count(to_people) > 0
} else := {"verdict": "draft", "rule": concat("+", sort(at_most_draft))} if {
	count(at_most_draft) > 0
} else := {"verdict": input.proposed, "rule": "as_proposed"}
