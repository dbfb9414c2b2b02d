"""Every number the ranking can be tuned by, in one place; docs/ranking.md says what each one does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """One set serves every install: nothing here depends on a data set, a day or a reader."""

    # text model
    max_terms: int = 40_000
    min_papers_per_term: int = 2  # only once there are enough papers to ask for it
    title_weight: int = 3  # a word of the title counts as this many in the abstract
    keyword_weight: int = 2
    smooth_rank: int = 256
    sharp_rank: int = 448
    smooth_power: float = 1.0
    sharp_power: float = -0.5
    # topics
    topic_rarity: float = (
        3.0  # power of a word's rarity in a topic: "radiology" says more of radiology reports than "report"
    )
    topic_examples: int = 30  # stored papers that come nearest to a topic lend it their words
    topic_text_lean: float = 0.7  # their share beside the topic's own words
    topic_crowd_lean: float = 0.5
    # profile
    topic_weight: float = 0.5  # a declared topic weighs as much as this many liked papers
    click_weight: float = 0.5
    dislike_weight: float = 0.5
    passed_weight: float = 0.3  # all papers passed over together, as a share of all that is liked or declared
    half_life_days: float = 180.0
    sharp_start: float = (
        4.5  # the likes that everyone is taken to have, so that a topic is read sharply from the first day
    )
    sharp_after: float = 9.0  # liked papers after which the sharp part weighs as much as the smooth one
    # other readers
    crowd_rank: int = 320
    crowd_half: float = 11_000.0  # likes of other readers after which the co-read part has half of its weight
    crowd_weight: float = 4.5
    crowd_examples: int = 20  # liked papers nearest to a new one, whose readers speak for it
    crowd_examples_lean: float = 0.5
    # meaning: only with an embedding model
    meaning_share: float = 0.4  # of what the text weighs; the rest is for the smooth and the sharp part
    # trending
    trend_weight: float = 0.5  # in standard deviations, beside a taste of about one
    trend_most: float = 2.5  # no number of votes counts for more than about this many standard deviations
    usual_spread: float = 1.0  # standard deviation of a day's strengths, believed as much as this many papers:
    usual_spread_papers: float = 10.0
    usual_votes: float = 8.0  # a middling paper's votes once they have settled, believed as much as this many papers:
    usual_votes_papers: float = 50.0
    settle_hours: float = 24.5  # half of a day's votes are still to come at 17:00 UTC
    weekend_pace: float = 1 / 3
    comment_weight: float = 0.05
    second_chance_lift: float = 1.2  # natural log of votes over usual from which a late riser returns
    second_chances_a_day: int = 5
    # choice
    diversity: float = 0.5  # standard deviations that a paper just like one already chosen is put back
    turn: float = 0.35  # and one on an interest for each paper chosen on it, so that every interest gets its turn
    topics_alike: float = 0.5  # cosine of the smooth parts from which two topics are one interest
    likes_alike: float = 0.25  # and a liked paper belongs to a topic, or to other liked papers
    interest_fit: float = 0.25  # cosines of the smooth and the sharp parts, together, from which a paper serves one
    follow_score: float = 100.0


DEFAULT = Parameters()
