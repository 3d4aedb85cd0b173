"""The capstone: any log of who took what becomes a leaderboard, an audit, and one page."""
