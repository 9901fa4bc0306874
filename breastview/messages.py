"""Messages to people: a code with parameters, turned into a language only where they are shown.

Every code stands once in `TEXTS`, with its English text. `breastview.language` translates that text.
Where a count of one asks for other words, they stand under the code with `ONE` behind it.
A parameter is a number, a plain word (a file's place in the case folder, a modality, a unit) or another
message; it is never a patient's name, identifier or date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

ONE = ".one"
Param: TypeAlias = "str | int | float | Message"


@dataclass(frozen=True)
class Message:
    """One thing to say: `code` is a key of `TEXTS`, `params` fills its braces."""

    code: str
    params: dict[str, Param] = field(default_factory=dict)


def message(code: str, **params: Param) -> Message:
    """Make a message; raises `KeyError` at once when the code has no text."""
    if code not in TEXTS:
        raise KeyError(code)
    return Message(code, params)


def render(msg: Message, translate: Callable[[str], str] = str) -> str:
    """Return the sentence for `msg`; `translate` maps the English template to another language's."""
    words = {
        name: render(value, translate) if isinstance(value, Message) else value
        for name, value in msg.params.items()
    }
    return translate(_template(msg)).format(**words)


def _template(msg: Message) -> str:
    """The English text of a message, the one for a single thing where it counts one."""
    single = TEXTS.get(msg.code + ONE) if msg.params.get("count") == 1 else None
    return single or TEXTS[msg.code]


# One line a code, grouped by the package that says it. Texts name what failed, which file, and what to do next.
TEXTS: dict[str, str] = {
    # imaging: the case folder
    "case.no_folder": "This folder does not exist. Choose another folder.",
    "case.no_permission": "This folder may not be read. Ask for permission, or copy the case elsewhere.",
    "case.gone": "Images of this case are no longer in its folder. Reconnect the drive, and open the folder again.",
    "case.never_written": "The patient folder is never changed, and nothing goes into it. Choose another folder.",
    "case.empty": "No breast images in this folder. Choose the folder that the archive exported.",
    "case.photographs": "This folder holds photographs, not ultrasound or MRI. Choose another folder.",
    "case.only_problems": "No image in this folder can be used: {count} files have problems. "
    "Export the case again, or choose another folder.",
    "case.only_problems.one": "No image in this folder can be used: {count} file has problems. "
    "Export the case again, or choose another folder.",
    "case.problem_files": "{count} files with problems",
    "case.problem_files.one": "{count} file with problems",
    "case.other_patient": "{count} images of another patient were set aside.",
    "case.other_patient.one": "{count} image of another patient was set aside.",
    "case.several_exams": "There are MRIs of several exams: subtraction and model take the latest.",
    "case.several_spaces": "This MRI has several frames of reference, as where a patient lay down anew: places and "
    "model go by that of the dynamic series, or of most.",
    "case.dce_guessed": "No header tells for sure which DCE phase is before contrast medium: the first by its "
    "number is taken for it. Look at it before you trust the subtraction.",
    "case.dce_missing": "The first two DCE phases are not both in this folder: nothing is subtracted.",
    "case.several_us_days": "There is ultrasound of several days: the latest is shown first.",
    "case.strangers": "{count} other files are no images and were left alone.",
    "case.strangers.one": "{count} other file is no image and was left alone.",
    "doing.scan": "Reading headers {done} / {count}",
    "doing.load": "Loading images {done} / {count}",
    # imaging: files with problems
    "problem.broken_header": "The DICOM header is damaged. Export this image again.",
    "problem.cannot_open": "The file cannot be opened. Check its permissions.",
    "problem.truncated": "The file ends before its image does. Export this image again.",
    "problem.no_image": "Not an image ({what}).",
    "problem.unknown_coding": "Its pixels are coded in a way that cannot be read here ({what}). "
    "Export this image uncompressed.",
    "problem.colour_map": "A coloured MRI picture: its colours are no measured values.",
    "problem.other_modality": "Neither ultrasound nor MRI (modality {modality}).",
    "problem.other_patient": "Belongs to another patient. Remove it, or open that patient's own folder.",
    "problem.no_geometry": "Does not say where it lies in the patient, so it has no place in a volume.",
    "problem.photograph": "A colour photograph, not an ultrasound picture.",
    "problem.small_picture": "Too small for an ultrasound picture.",
    "problem.unreadable_picture": "The picture is damaged. Export it again.",
    "problem.unreadable_nifti": "The NIfTI file is damaged. Export it again.",
    "problem.decode": "Slice {slice} cannot be decoded and stays black. Export this image again.",
    "problem.decode_frame": "Frame {frame} cannot be decoded and stays black. Export this image again.",
    "problem.undecodable": "No image of {what} can be decoded. Export this series again.",
    # imaging: what a scan noticed
    "scan.two_orientations": "The series holds several orientations; each is a volume of its own.",
    "scan.duplicates": "{count} duplicate images were left out.",
    "scan.duplicates.one": "{count} duplicate image was left out.",
    "scan.no_depth": "These images make no even stack: distances through them have no meaning.",
    "scan.slices_missing": "Slices are missing: {count}. They stay black.",
    "scan.uneven": "Slices are unevenly spaced, {low} to {high} mm; distances through them are approximate.",
    "scan.region_overruns": "The ultrasound region overruns the cropped picture: scale kept, "
    "image area found in the pixels.",
    "scan.several_regions": "{count} ultrasound regions with one scale; the largest is used.",
    "scan.regions_disagree": "The ultrasound regions have different scales. Calibrate before measuring.",
    "scan.no_region": "No ultrasound region: the image area was found in the pixels.",
    "scan.no_scale": "No scale: nothing is measured in mm until you calibrate.",
    "scale.region": "from the ultrasound region",
    "scale.pixel_spacing": "from the pixel spacing",
    "scale.user": "calibrated by the reader",
    # imaging: why a volume has its role
    "role.b_standard": "standard tag",
    "role.b_ge": "GE's tag",
    "role.b_siemens": "Siemens's tag",
    "role.b_philips": "Philips's tag",
    "role.b_description": "description",
    "role.b_sequence_name": "sequence name",
    "role.mip": "a maximum intensity projection by its image type or description",
    "role.localizer": "a localizer by its description",
    "role.adc": "an ADC map by its image type or description",
    "role.subtraction": "a subtraction by its image type or description",
    "role.dwi": "diffusion with b = {b} s/mm² ({where})",
    "role.dwi_unknown": "diffusion, b-value unknown",
    "role.stir": "inversion recovery, TI {ti} ms",
    "role.stir_named": "inversion recovery by its description",
    "role.t2wi": "spin echo, TR {tr} ms, TE {te} ms",
    "role.t1wi": "spin echo, TR {tr} ms, TE {te} ms",
    "role.t1_named": "T1 by its description",
    "role.t2_named": "T2 by its description",
    "role.dce_alone": "dynamic by its description; its other phases are not here",
    "role.dce_timed": "one of {count} acquisitions of the same volume, in order of time",
    "role.dce_untimed": "one of {count} acquisitions of the same volume, "
    "in order of series and acquisition; delays unknown",
    "role.dce_contrast": "one of {count} acquisitions of the same volume: before contrast medium first, by "
    "description or contrast agent; delays unknown",
    "role.dce_guessed": "one of {count} acquisitions of the same volume, in order of their numbers: nothing tells "
    "for sure which one is before contrast medium",
    "role.computed_subtraction": "DCE {post} − DCE {pre}, computed here",
    "dynamic.same_images": "The first two phases are the same images, and nothing is subtracted: correct the role "
    "of one.",
    "dynamic.grids_differ": "The DCE phases do not share one grid and cannot be subtracted.",
    "role.nifti_name": "by the file's name",
    "role.unknown": "nothing in the header tells its weighting",
    "role.us_still": "one ultrasound frame",
    "role.us_cine": "{count} ultrasound frames",
    "role.us_volume": "an ultrasound volume by its class",
    "role.picture": "a grey picture file",
    "role.user": "set by the reader",
    # registration
    "registration.no_scale": "The ultrasound image has no scale. Calibrate it first.",
    "registration.no_pairs": "There is no landmark pair to fit.",
    "registration.contour_short": "Two places at least are needed in each image.",
    "registration.surface_on_line": "These places lie on one line, which no surface is fixed by: "
    "add places on another slice.",
    "registration.no_skin": "No skin was found in this MRI near the plane. Draw it as a surface.",
    "registration.no_breast": "No breast was found on this side of the MRI. Mark the lesion in the MRI instead.",
    "registration.outside_body": "The report's words lead outside the body in this MRI. "
    "Check side, clock face and distance.",
    "registration.position_only": "One place: position only. The angles are as they were.",
    "registration.turn_open": "Places on one line: the turn about that line is not determined.",
    "registration.plane_only": "The places lie in one ultrasound plane: they fix the pose, "
    "and say nothing of deformation through the plane.",
    "registration.no_spare_pair": "Three pairs leave none to check the fit.",
    "registration.scale_flagged": "The scale differs by {percent} %: implausible beyond ±10 %.",
    "registration.marked_elsewhere": "The lesion is marked on another ultrasound image: mark it on this one first.",
    "registration.of_first_view": "The registration is that of the lesion's first view. "
    "Show that image, or swap the views.",
    "registration.needs_marks": "Mark the lesion on ultrasound and in the MRI first.",
    "registration.needs_clock": "Enter side, clock face and nipple distance first.",
    "registration.contour_twice": "This lies on a line or surface that is in the list. Remove that one first.",
    "registration.needs_mri": "There is no MRI to register with yet.",
    "registration.no_mri": "There is no MRI in this case: nothing to register.",
    "registration.none_kept": "The review record holds no registration: there is nothing to export.",
    "registration.no_us": "There is no ultrasound in this case: nothing to register.",
    "doing.snap": "Looking for the best fit",
    "snap.no_mri": "Snap compares with T1WI, T2WI or DCE. None of these is here: check the volumes' roles.",
    "snap.stale": "The registration changed, so the search from it was dropped. Snap again from here.",
    "snap.stays": "The present pose fits as well as any other nearby.",
    "snap.at_edge": "The best fit lies at the edge of what was searched. Come closer by hand, then snap again.",
    "snap.weak": "The picture shows too little that the MRI shows too.",
    "snap.little": "The lesion would move by {mm} mm, no more than such a search errs.",
    "snap.unsure": "The network holds no place in reach for the right one: at most {percent} % sure.",
    "snap.rival": "Other places in reach fit nearly as well: up to {mm} mm apart.",
    "snap.unsteady": "Parts of the picture speak for other places in reach: up to {mm} mm apart.",
    "snap.outside": "Only {percent} % of the picture would lie in the body that the MRI covers.",
    "snap.skin": "The skin would lie {mm} mm from the probe's face.",
    "snap.parted": "The correspondences would fit worse: {after} mm apart instead of {before} mm.",
    "doing.motion": "Looking for motion, phase {done} / {count}",
    "motion.search": "Correct DCE motion",
    "motion.undo": "DCE as acquired",
    "motion.nothing": "DCE phases: no motion worth correcting",
    "motion.left": "Motion of phase {phase}: {why}.",
    "motion.told": "Motion between the phases before and after contrast medium was corrected: "
    "phase {phase}, by up to {mm} mm.",
    "diffusion.distorted": "Echo-planar images are displaced by the magnetic field, often by millimetres: "
    "diffusion may not lie where it is registered.",
    "motion.corrected": "motion corrected, ≤ {mm} mm",
    "motion.still": "{mm} mm on average, too little to correct",
    "motion.too_far": "{mm} mm found, implausible beyond {most:g} mm: left as it is",
    "motion.no_gain": "the motion found does not make the phases agree better: left as it is",
    "doing.import": "Reading the registration",
    "doing.export": "Writing the registration",
    "registration.imported": "{file} was taken up; undo brings back what was here.",
    "registration.exported": "{file} is written.",
    "registration.file_unreadable": "{file} cannot be read as a registration. Choose a .tfm file or a DICOM registration object.",
    "registration.file_closed": "{file} cannot be opened. Check that it is there, and its permissions.",
    "registration.file_unwritable": "The registration cannot be written there. Choose another folder.",
    "registration.file_other_version": "{file} was written by another version. Update BreastView.",
    "registration.file_other_transform": "{file} holds a kind of transform that is no registration of a plane. "
    "Export it as an affine transform.",
    "registration.file_other_us": "{file} registers another ultrasound image. Open the image it belongs to, or choose another file.",
    "registration.file_other_frame": "{file} registers frame {frame} of this ultrasound image. Go to that frame, or choose another file.",
    "registration.file_other_mri": "{file} registers with another MRI: its frame of reference is not in use here. "
    "Choose that MRI, or another file.",
    "registration.file_other_plane": "{file} places this ultrasound image, but measures it in a way unknown here. "
    "Choose a file that BreastView wrote.",
    "registration.file_other_scale": "{file} was made with another scale or image area of this ultrasound image. "
    "Calibrate it as it was then, or register anew.",
    "registration.file_mirrored": "{file} holds a mirror image, which no registration is. Export it again from the program that made it.",
    "registration.file_singular": "{file} holds a matrix that flattens space, which no registration does. "
    "Export it again from the program that made it.",
    "registration.file_sheared": "{file} holds an affine transform that shears or stretches; a registration here turns, "
    "shifts and scales. Export a rigid or similarity transform.",
    "registration.file_scale": "{file} scales by {scale}, which is implausible. Check its units: they must be mm.",
    "registration.file_foreign_warp": "{file} holds a deformation that BreastView did not make and cannot keep. "
    "Export the rigid part alone.",
    "registration.file_folded": "{file} holds a local warp that folds the picture over itself, which no tissue does. "
    "Reduce the warp where it was made, and export it again.",
    "registration.file_contradicts": "{file} was changed after BreastView wrote it: its transform and BreastView's own words differ. "
    "Export it again.",
    "registration.file_unnamed": "{file} does not say which images it joins: it was taken as ultrasound plane to MRI. Check it on screen.",
    "registration.file_needs_dicom": "A DICOM registration needs DICOM images with a frame of reference, which this case lacks. "
    "Export a .tfm file instead.",
    "registration.file_no_source": "The headers of the registered images cannot be read any more. Open the case again.",
    "registration.pairs": "{count} pairs",
    "registration.pairs.one": "{count} pair",
    "registration.pairs_fit": "{count} pairs, residual {rms:.1f} mm rms",
    "registration.pairs_fit.one": "{count} pair, residual {rms:.1f} mm rms",
    "grade.side": "side only",
    "grade.region": "region",
    "grade.landmarks": "landmarks",
    "grade.confirmed": "confirmed",
    "grade.few": "Confirming needs {fewest} points, lines or surfaces that both images show. So far: {found}.",
    "grade.few_apart": "Confirming needs {fewest} points, lines or surfaces that both images show, and what lies "
    "on the lesion counts once. So far: {found}.",
    "grade.no_mark": "Confirming needs the lesion's mark on this ultrasound image.",
    "grade.unsure": "Confirming needs the lesion within ±{sure} mm, and it is known to ±{mm} mm. "
    "Add what both images show near it.",
    "grade.contradicted": "The lesion's mark in the MRI lies outside the region where the correspondences "
    "expect it. Look at both again.",
    "method.clock_face": "from the clock face",
    "method.mri_mark": "from the lesion marks",
    "method.manual": "by hand",
    "method.landmarks": "landmarks",
    "method.file": "from a file",
    "method.truth": "known from the simulation",
    # records
    "hung.other_exam": "not the exam that is read",
    "hung.other_space": "another frame of reference: no marks here",
    "mark.other_exam": "Nothing was marked: these images are of another exam than is read.",
    "mark.other_space": "Nothing was marked: these images have another frame of reference than those that are read.",
    "mark.no_us": "There is no ultrasound in this case to mark.",
    "mark.no_mri": "There is no MRI in this case to mark.",
    "mark.beside": "Nothing was marked: that place lies beside the image.",
    "record.damaged": "The review record is damaged and was left as it is. Restore it from a backup, "
    "or move it away to start anew.",
    "record.other_schema": "The review record was written by another version (this one reads {ours}). "
    "Update BreastView.",
    "record.changed_elsewhere": "Another window has changed this review. Open the folder again to go on from "
    "what is kept.",
    "record.carried": "This folder holds other images than when it was reviewed: the review goes on, without "
    "the model's readings.",
    "record.other_images": "This study was reviewed with images that are not in this folder, or that are not "
    "those which are read now: a new review begins.",
    "record.other_case": "The review record belongs to another case and was left alone.",
    "record.unreadable": "The review record cannot be read. Check that it is there, and its permissions.",
    "record.unwritable": "The review cannot be saved. Check the permissions and space of the records folder; "
    "nothing entered is lost while the window stays open.",
    "record.not_finite": "The last change cannot be saved: a number in it is not finite. Undo it.",
    "concordance.no_us_mark": "The lesion is not marked on ultrasound.",
    "concordance.no_mri_mark": "The lesion is not marked in the MRI.",
    "concordance.side_unconfirmed": "The side is not confirmed.",
    "concordance.sides_differ": "The sides disagree: {us} confirmed, {mri} in the MRI.",
    "concordance.us_of_other_side": "The ultrasound image says {us}, and {side} is confirmed.",
    "concordance.views_of_two_breasts": "The two ultrasound views are of different breasts, as their images say.",
    "concordance.views_of_two_days": "The two ultrasound views are of different days.",
    "concordance.side_not_computed": "The side could not be computed from the MRI.",
    "concordance.no_scale": "The ultrasound image has no scale.",
    "concordance.no_registration": "Ultrasound and MRI are not registered.",
    "concordance.place_untold": "Only the marks themselves tell the place: give clock face and distance, or place "
    "points, lines or surfaces.",
    "concordance.match": "The marks are one lesion, as far as side and place tell.",
    "concordance.open": "It is open whether the marks are one lesion.",
    "concordance.doubtful": "It is doubtful that the marks are one lesion.",
    "concordance.no_correlate": "The marks are not one lesion.",
    "concordance.report_elsewhere": "The report's words lead {mm} mm away from the MRI mark, farther than "
    "turning over explains.",
    "concordance.outside_region": "The MRI mark lies {mm} mm from where the correspondences expect the lesion.",
    "concordance.sizes_differ": "The lesion measures {us} mm on ultrasound and {mri} mm in the MRI.",
    "concordance.unsure": "The registration puts the ultrasound lesion {mm} mm from the MRI mark, and is too unsure "
    "to tell.",
    "concordance.far_apart": "The registration puts the ultrasound lesion {mm} mm from the MRI mark: "
    "too far to fuse them.",
    # fusion
    "scope.no_lesion": "No lesion is marked.",
    "scope.no_mri": "There is no MRI: no fused probability.",
    "scope.no_image": "This MRI has no image that the model reads (T1WI, T2WI, DWI, or DCE both before and after "
    "contrast medium): no fused probability.",
    "scope.no_channel": "No MRI channel lies in the ultrasound plane: no fused probability.",
    "scope.no_native_channel": "No MRI channel covers the place of the MRI mark: no fused probability.",
    "scope.us_beside": "The lesion's box lies beside the ultrasound image: draw it anew.",
    "scope.us_covered": "Colour covers this ultrasound image, as Doppler or elastography do: "
    "mark the lesion on a plain one.",
    "scope.missing_channel": "The model needs {channel}, which is not here.",
    "scope.simulated_note": "Validated on simulated patients only: "
    "software verification, not clinical evidence.",
    "scope.own_note": "{note}",
    "scope.validated": "Validated on {lesions} lesions ({malignant} malignant) of {patients} patients from {sources}.",
    "scope.validated_mixed": "Validated on {lesions} lesions ({malignant} malignant) of {patients} patients from "
    "{sources}; simulated patients among them.",
    "scope.stills": "Ultrasound alone: validated on {lesions} labelled stills ({malignant} malignant).",
    "scope.stills_cross": "Ultrasound alone: cross-validated on {lesions} labelled stills ({malignant} malignant).",
    "scope.simulated_only": "This model was validated on simulated patients only; this case is not simulated.",
    "scope.age_unknown": "This model was validated from the age of {age}; the patient's age is unknown.",
    "scope.too_young": "This model was validated from the age of {age}.",
    "scope.too_old": "This model was validated up to the age of {age}.",
    "scope.other_scanner": "This model was validated on MRI from {scanners}; this one is from {maker}.",
    "scope.other_density": "This model was validated on breast densities {densities}; this breast is {density}.",
    "scope.other_size": "This model was validated on lesions of {low:g} to {high:g} mm; this one measures {mm:.0f} mm.",
    "scope.size_unknown": "This model was validated on lesions of {low:g} to {high:g} mm; "
    "the ultrasound image has no scale, so that this one's size is unknown.",
    "scope.research_only": "For research only: measured on fewer than 100 malignant or 100 benign lesions.",
    "scope.scanners": "Scanners: {scanners}.",
    "scope.densities": "Breast densities: {densities}.",
    "scope.ages": "Ages: {low} to {high} years.",
    "scope.sizes": "Lesions on ultrasound: {low:g} to {high:g} mm.",
    "model.no_bundle": "No model bundle in {folder}. Choose the folder that holds spec.json.",
    "model.damaged_spec": "The spec.json of the model bundle {folder} is damaged. Copy the bundle again.",
    "model.other_schema": "The model bundle {folder} was made by another version. Update BreastView or the bundle.",
    "model.wrong_checksum": "The weights of the model bundle {folder} do not match their checksum. "
    "Copy the bundle again.",
    "model.does_not_fit": "The weights of the model bundle {folder} do not fit its network. Copy the bundle again.",
    "model.no_probe": "The stored check of the model bundle {folder} is missing or damaged, so it is not used. "
    "Copy the bundle again.",
    "model.other_answers": "The model bundle {folder} does not give the answers it was kept with and is not used.",
    "model.no_device": "The device {device} is not available. Choose another device, or auto.",
    "model.misregistered": "US and MRI do not look like the same place: check the registration. (On held-out "
    "patients {flagged} % of those 8 to 15 mm off are noticed, and {false} % of right ones doubted.)",
    "model.unlike_us": "The ultrasound crop does not look like those that the model was measured on: its figures may "
    "not hold here. ({flagged} % of held-out ones are doubted.)",
    "model.unlike_mri": "The MRI crop does not look like those that the model was measured on: its figures may not "
    "hold here. ({flagged} % of held-out ones are doubted.)",
    "model.no_heatmaps": "There are no heatmaps of this lesion. Run the model first.",
    "model.process_died": "The model process ended unexpectedly. Run the model again.",
    "doing.model": "The model reads the lesion",
    # report
    "report.of_case_before": "The report of the case before was written: {file}.",
    "report.lesions": "{count} lesions",
    "report.lesions.one": "{count} lesion",
    "report.unwritable": "The report cannot be written there. Choose another folder, or close the file if it is open.",
    "doing.report": "Writing the report",
    # review
    "review.first_read_open": "Give every lesion a BI-RADS category before you commit the first read.",
    "review.model_locked": "Commit your first read; then the model may speak.",
    "review.stale_reading": "The answer was computed from an earlier state and was dropped. Run the model again.",
    "review.no_second_view": "The lesion has no second view.",
    "review.no_registration": "Start a registration first.",
    # window
    "window.no_screen": "There is no screen to open the window on. `breastview review` needs none.",
    "window.unwritable": "The picture of the window cannot be written there. Choose another folder.",
    # jobs
    "job.cancelled": "Cancelled.",
    "job.failed": "Something failed that should not ({kind}). What you entered is kept; try again.",
}
