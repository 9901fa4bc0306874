"""What tells the true place of a picture from false ones: `breastview.registration.judge`, learned here."""
