"""Colours, type and spacing of the window, in one place."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QWidget

BLACK = "#000000"
PANEL = "#1b1d20"
RAISED = "#26292d"
LINE = "#3a3e44"
TEXT = "#e4e6e8"
MUTED = "#a3a9b0"
ACCENT = "#6fb1d6"
LESION = "#f5d547"
REGISTRATION = "#41d3e0"
MODEL = "#b89cff"
CAUTION = "#ffb454"
ERROR = "#ff7b72"

GRID_PX = 8
CONTROL_PX = 28
CASE_PX, RAIL_PX = 200, 280
BAR_PX = 36
SMALL_PT, BASE_PT, LARGE_PT = 9, 10, 13

SHEET = f"""
* {{ color: {TEXT}; selection-background-color: {ACCENT}; selection-color: {BLACK}; }}
QMainWindow, QWidget#panel, QDialog, QMessageBox {{ background: {PANEL}; }}
QWidget#foot {{ background: {PANEL}; border-top: 1px solid {LINE}; }}
QWidget#pane {{ background: {BLACK}; }}
QLabel {{ background: transparent; }}
QLabel[role="muted"] {{ color: {MUTED}; }}
QLabel[role="small"] {{ color: {MUTED}; font-size: {SMALL_PT}pt; }}
QLabel[role="large"] {{ font-size: {LARGE_PT}pt; }}
QLabel[role="caution"] {{ color: {CAUTION}; }}
QLabel[role="error"] {{ color: {ERROR}; }}
QLabel[role="model"] {{ color: {MODEL}; }}
QLabel[role="registration"] {{ color: {REGISTRATION}; }}
QLabel[role="lesion"] {{ color: {LESION}; }}
QPushButton, QToolButton {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 3px;
  min-height: {CONTROL_PX - 4}px; padding: 0 8px; }}
QPushButton:hover, QToolButton:hover {{ border-color: {MUTED}; }}
QPushButton:pressed, QToolButton:pressed, QPushButton:checked, QToolButton:checked {{
  background: #14384a; border-color: {ACCENT}; }}
QPushButton:disabled, QToolButton:disabled {{ color: #6b7178; border-color: #2c2f33; }}
QPushButton[narrow="true"] {{ padding: 0 2px; }}
QToolButton[flat="true"] {{ border: none; background: transparent; padding: 0 4px; }}
QPushButton[step="true"] {{ border: none; border-top: 1px solid {LINE}; border-radius: 0; background: {PANEL};
  text-align: left; font-weight: 600; min-height: 32px; padding: 0 4px; }}
QPushButton[step="true"]:checked {{ background: {RAISED}; }}
QLineEdit, QComboBox, QPlainTextEdit {{ background: {BLACK}; border: 1px solid {LINE};
  border-radius: 3px; min-height: {CONTROL_PX - 4}px; padding: 0 4px; }}
QLineEdit:focus, QComboBox:focus, QPlainTextEdit:focus {{ border-color: {ACCENT}; }}
QComboBox:disabled, QLineEdit:disabled, QAbstractSpinBox:disabled, QCheckBox:disabled {{ color: #6b7178; }}
QComboBox QAbstractItemView {{ background: {RAISED}; border: 1px solid {LINE}; }}
QTreeWidget, QListWidget, QTableWidget {{ background: {PANEL}; border: none; outline: none; }}
QTreeWidget::item, QListWidget::item {{ padding: 3px 2px; }}
QTreeWidget::item:selected, QListWidget::item:selected, QTableWidget::item:selected {{
  background: #14384a; color: {TEXT}; }}
QHeaderView::section {{ background: {PANEL}; color: {MUTED}; border: none; padding: 2px; }}
QScrollArea {{ border: none; background: {PANEL}; }}
QScrollBar:vertical {{ background: {PANEL}; width: 10px; }}
QScrollBar::handle:vertical {{ background: {LINE}; min-height: 24px; border-radius: 4px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QSplitter::handle {{ background: {LINE}; }}
QProgressBar {{ background: {BLACK}; border: 1px solid {LINE}; border-radius: 3px; max-height: 10px; }}
QProgressBar::chunk {{ background: {ACCENT}; }}
QStatusBar {{ background: {PANEL}; border-top: 1px solid {LINE}; }}
QStatusBar::item {{ border: none; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {LINE}; padding: 4px; }}
QMenu {{ background: {RAISED}; border: 1px solid {LINE}; }}
QMenu::item:selected {{ background: #14384a; }}
QSlider::groove:horizontal {{ background: {LINE}; height: 4px; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {TEXT}; width: 12px; margin: -5px 0; border-radius: 6px; }}
QCheckBox::indicator {{ width: 14px; height: 14px; border: 1px solid {MUTED}; background: {BLACK}; }}
QCheckBox::indicator {{ border-radius: 2px; }}
QCheckBox::indicator:checked {{ background: {ACCENT}; border-color: {ACCENT}; }}
"""


def dress(widget: QWidget, role: str) -> None:
    """Let a widget look as its role does."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def apply(application: QApplication) -> None:
    """Dress the whole application."""
    application.setStyle("Fusion")
    palette = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, PANEL),
        (QPalette.ColorRole.Base, BLACK),
        (QPalette.ColorRole.AlternateBase, RAISED),
        (QPalette.ColorRole.Text, TEXT),
        (QPalette.ColorRole.WindowText, TEXT),
        (QPalette.ColorRole.Button, RAISED),
        (QPalette.ColorRole.ButtonText, TEXT),
        (QPalette.ColorRole.Highlight, ACCENT),
        (QPalette.ColorRole.PlaceholderText, MUTED),
    ):
        palette.setColor(role, QColor(colour))
    application.setPalette(palette)
    font = QFont(application.font())
    font.setPointSize(BASE_PT)
    font.setFeature(QFont.Tag("tnum"), 1)
    application.setFont(font)
    application.setStyleSheet(SHEET)
