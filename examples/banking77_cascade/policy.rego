# The policy has the last word on every decision, and may only make it more careful: automate -> draft -> review.
# It sees facts, not probabilities: `input.proposed` is the verdict by thresholds and costs, `input.queue` the predicted queue.
package aios.policy

import rego.v1

default decision := {"verdict": "review", "rule": "default_to_people"}

decision := {"verdict": input.proposed, "rule": "as_proposed"} if input.proposed
