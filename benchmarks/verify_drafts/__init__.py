"""Articles, and replies to them as a language model would write them: true ones, and ones with a fault planted."""
